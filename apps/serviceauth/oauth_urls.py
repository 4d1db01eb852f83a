"""The addresses of OAuth, at the root: clients find them by the metadata, and libraries expect them there."""

from apps.core.routing import api_path
from apps.serviceauth.views import oauth, published

urlpatterns = [
    api_path(".well-known/oauth-authorization-server", published.MetadataView, "oauth-metadata"),
    api_path(".well-known/jwks.json", published.JwksView, "jwks"),
    api_path("oauth/token", oauth.TokenView, "oauth-token"),
    api_path("oauth/introspect", oauth.IntrospectView, "oauth-introspect"),
    api_path("oauth/revoke", oauth.RevokeView, "oauth-revoke"),
]
