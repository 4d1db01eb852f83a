"""The addresses of service authentication below ``/api/v1/``."""

from apps.core.routing import api_path
from apps.serviceauth.views import keys, tokens

urlpatterns = [
    api_path("service-auth/token", tokens.TokenView, "token"),
    api_path("service-auth/validate", tokens.ValidateView, "validate"),
    api_path("service-auth/user-token", tokens.UserTokenView, "user-token"),
    api_path("service-auth/revocations", tokens.RevocationsView, "revocations"),
    api_path("service-auth/report-leak", keys.ReportLeakView, "report-leak"),
    api_path("service-auth/enrol", keys.EnrolView, "enrol"),
]
