"""The addresses of service authentication below ``/api/v1/``."""

from apps.core.routing import api_path
from apps.serviceauth.views import keys

urlpatterns = [
    api_path("service-auth/report-leak", keys.ReportLeakView, "report-leak"),
    api_path("service-auth/enrol", keys.EnrolView, "enrol"),
]
