"""The addresses of OAuth, at the root: clients find them by the metadata, and libraries expect them there."""

from apps.core.routing import api_path
from apps.serviceauth.views import oauth

urlpatterns = [
    api_path("oauth/token", oauth.TokenView, "oauth-token"),
    api_path("oauth/introspect", oauth.IntrospectView, "oauth-introspect"),
    api_path("oauth/revoke", oauth.RevokeView, "oauth-revoke"),
]
