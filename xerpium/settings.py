"""Every setting of the hub, in the order of the README's table. Read once at start; a wrong value stops the start."""

import os
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from apps.core.logging import configure_logging
from xerpium.env import (
    env_bool,
    env_int,
    env_list,
    env_networks,
    env_origin,
    env_path,
    env_secrets,
    env_str,
    env_url,
    read_env_file,
)

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"
TESTING = "pytest" in sys.modules

# --- Profile ----------------------------------------------------------------------------------------------------------
# DEBUG=1 is the development profile. Django's own DEBUG stays off in it: its error pages show settings and its query
# log grows with every request; neither is wanted in a hub that somebody watches.
DEVELOPMENT = env_bool("DEBUG", default=False)
DEBUG = False
HUB_OPEN = env_bool("HUB_OPEN", default=False)
if HUB_OPEN and not DEVELOPMENT:
    raise ImproperlyConfigured(
        "HUB_OPEN=1 lets anyone on this machine in without a token and is for DEBUG=1 only: unset HUB_OPEN."
    )

HUB_DATA_DIR = env_path("HUB_DATA_DIR", BASE_DIR / ".hub")
HUB_PORT = env_int("HUB_PORT", 8000, minimum=1, maximum=65535)
HUB_BIND = env_str("HUB_BIND", "127.0.0.1")
HUB_PUBLIC_URL = env_origin("HUB_PUBLIC_URL", f"http://127.0.0.1:{HUB_PORT}")
DEMO = env_bool("DEMO", default=True)
HUB_ADMIN_PASSWORD = env_str("HUB_ADMIN_PASSWORD", "")

# While `runhub` runs, it writes the addresses of the engines that it started to hub.env, and what `manage.py` needs
# besides to manage.env: so a `manage.py shell` or `issue_key` needs no setting.
_running = read_env_file(HUB_DATA_DIR / "manage.env") | read_env_file(HUB_DATA_DIR / "hub.env")
AS_OWNER = sys.argv[1:2] in (["preparehub"], ["migrate"])
_owner_url = _running.pop("DATABASE_MIGRATION_URL", None)

# --- Secrets ----------------------------------------------------------------------------------------------------------
_secret_key, _made_up_pepper = _running.get("SECRET_KEY"), None
if DEVELOPMENT or TESTING or sys.argv[1:2] in (["makemigrations"], ["collectstatic"], ["runhub"]):
    _secret_key = _secret_key or secrets.token_urlsafe(48)
    # Not random: every process of a development hub has to know the same one. Anybody may read this one here.
    _made_up_pepper = "1:development-only-and-therefore-no-secret"
SECRET_KEY = env_str("SECRET_KEY", _secret_key)
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")

# --- Engines ----------------------------------------------------------------------------------------------------------
DATABASE_URL = env_url(
    "DATABASE_URL",
    _running.get("DATABASE_URL", "postgresql://127.0.0.1:5432/xerpium"),
    schemes=("postgresql", "postgres"),
)
REDIS_URL = env_url(
    "REDIS_URL",
    _running.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    schemes=("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"),
)
EMBEDDED_ENGINES = not (os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"))
# The owner of the tables makes and changes them; everything else works as a role that owns nothing, and for which
# row-level security therefore holds (docs/decisions/0018). Only what works as the owner learns its password.
DATABASE_MIGRATION_URL = DATABASE_URL
if AS_OWNER or TESTING:
    DATABASE_MIGRATION_URL = env_url(
        "DATABASE_MIGRATION_URL",
        _owner_url if _owner_url and EMBEDDED_ENGINES else DATABASE_URL,
        schemes=("postgresql", "postgres"),
    )


def database_from_url(url: str) -> dict[str, object]:
    """Return Django's DATABASES entry for a ``postgresql://user:password@host:port/name?option=value`` URL."""
    parts = urlsplit(url)
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = str(options.pop("host", "")) or unquote(parts.hostname or "")
    # A pool instead of a connection a request (six times slower); the check drops connections that a restart of
    # PostgreSQL broke. `timeout` bounds how long a request waits when the database is away.
    options["pool"] = {
        "min_size": 0,
        "max_size": env_int("DATABASE_POOL_SIZE", 12, minimum=1, maximum=500),
        "timeout": 3,
        "max_idle": 120,
        "reconnect_timeout": 5,
    }
    # Large statements are prepared once a connection. PgBouncer in transaction mode can that since 1.21: before, 0.
    options["prepare_threshold"] = 2 if env_bool("DATABASE_PREPARE", default=True) else None
    options.setdefault("connect_timeout", "3")
    options.setdefault("application_name", "xerpium")
    return {
        "ENGINE": "apps.core.postgres",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 0,
        # A cursor on the server would outlive what its transaction was told of the company context.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": options,
    }


DATABASES = {"default": database_from_url(DATABASE_MIGRATION_URL if AS_OWNER else DATABASE_URL)}
# LISTEN and session locks need a session of their own: behind PgBouncer in transaction mode, name the server here.
DATABASE_DIRECT_URL = env_str("DATABASE_DIRECT_URL", DATABASE_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    # For what is cheap to make again. Not in Redis: Django's caches hold pickles, and what services write there would
    # run here.
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "TIMEOUT": 300},
    # For data that all processes share, which is JSON and nothing else.
    "shared": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [REDIS_URL],  # a list: an address of Sentinels has commas
        "KEY_PREFIX": "xerpium:cache",
        "TIMEOUT": 300,
        # A cache that is away is an empty cache.
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "CONNECTION_FACTORY": "apps.core.caching.HubConnections",
        },
    },
}

# --- Service authentication -------------------------------------------------------------------------------------------
# What recognises keys: `version:secret`, the first for new ones. Without them every key and enrolment is void.
KEY_PEPPERS = env_secrets("KEY_PEPPERS", _running.get("KEY_PEPPERS") or _made_up_pepper)
KEY_IDLE_DAYS = env_int("KEY_IDLE_DAYS", 90, minimum=1, maximum=3650)
TOKEN_LIFETIME_SECONDS = env_int("TOKEN_LIFETIME_SECONDS", 600, minimum=60, maximum=3600)
TOKEN_ALGORITHM = env_str("TOKEN_ALGORITHM", "ES256")
if TOKEN_ALGORITHM not in {"ES256", "RS256"}:
    raise ImproperlyConfigured(f"TOKEN_ALGORITHM must be ES256 or RS256, not {TOKEN_ALGORITHM!r}.")
SIGNING_KEY_DAYS = env_int("SIGNING_KEY_DAYS", 7, minimum=1, maximum=365)

# --- Registry ---------------------------------------------------------------------------------------------------------
POLL_INTERVAL_SECONDS = env_int("POLL_INTERVAL_SECONDS", 30, minimum=1, maximum=3600)
POLL_CONCURRENCY = env_int("POLL_CONCURRENCY", 512, minimum=1, maximum=20000)
PROTECTION_MAX_SECONDS = env_int("PROTECTION_MAX_SECONDS", 300, minimum=10, maximum=86400)
HEALTH_ALLOW_CIDRS = env_list("HEALTH_ALLOW_CIDRS")
HEALTH_DENY_CIDRS = env_list("HEALTH_DENY_CIDRS")
HEALTH_ALLOW_PUBLIC = env_bool("HEALTH_ALLOW_PUBLIC", default=False)
HEALTH_DENY_PORTS = env_list(
    "HEALTH_DENY_PORTS", ("2375", "2376", "3306", "5432", "5672", "6379", "6443", "9200", "10250", "11211", "27017")
)

# --- Events -----------------------------------------------------------------------------------------------------------
EVENTS_MAX_LENGTH = env_int("EVENTS_MAX_LENGTH", 1_000_000, minimum=1000, maximum=1_000_000_000)
EVENTS_HARD_MAX_LENGTH = env_int("EVENTS_HARD_MAX_LENGTH", 5_000_000, minimum=2000, maximum=2_000_000_000)
if EVENTS_HARD_MAX_LENGTH <= EVENTS_MAX_LENGTH:
    raise ImproperlyConfigured(
        "EVENTS_HARD_MAX_LENGTH must be above EVENTS_MAX_LENGTH: trimming needs room between them."
    )
EVENTS_JOURNAL_DAYS = env_int("EVENTS_JOURNAL_DAYS", 90, minimum=1, maximum=3650)
EVENTS_DEAD_LETTER_DAYS = env_int("EVENTS_DEAD_LETTER_DAYS", 90, minimum=1, maximum=3650)
UI_ARCHIVE_DAYS = env_int("UI_ARCHIVE_DAYS", 90, minimum=1, maximum=3650)

# --- Serving ----------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]") if DEVELOPMENT else ())
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
# Whose X-Forwarded-For is believed; without any, the address of a caller is the peer's.
TRUSTED_PROXIES = env_networks("TRUSTED_PROXIES")
API_RATE_LIMIT = env_int("API_RATE_LIMIT", 6000, minimum=0, maximum=10_000_000)
API_BODY_LIMIT = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * API_BODY_LIMIT
EDGE_FAST_PATHS = env_bool("EDGE_FAST_PATHS", default=True)

ROOT_URLCONF = "xerpium.urls"
WSGI_APPLICATION = "xerpium.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = True
STATIC_URL = "/static/"
# Only a deployment collects its files; the development profile serves them from where they are.
STATIC_ROOT = None if DEVELOPMENT else env_path("STATIC_ROOT", BASE_DIR / "static-root")
WHITENOISE_USE_FINDERS = True
WHITENOISE_MANIFEST_STRICT = False

# The hub's own templates win over Unfold's, and Unfold's over Django's.
INSTALLED_APPS = [
    "apps.console",
    "apps.uiregistry",
    "apps.menus",
    "apps.registry",
    "apps.serviceauth",
    "apps.events",
    "apps.core",
    "unfold",
    "unfold.contrib.filters",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.postgres",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "apps.core.requestid.RequestIdMiddleware",
    "apps.core.tenancy.middleware.NobodyMiddleware",
    "apps.core.observation.ObservationMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.core.csp.PagesCSPMiddleware",
    "apps.core.addresses.PageAddressMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "apps.console.signin.SecondFactorMiddleware",
    "apps.core.tenancy.middleware.OperatorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Signing in -------------------------------------------------------------------------------------------------------
LOGIN_FAILURE_LIMIT = env_int("LOGIN_FAILURE_LIMIT", 5, minimum=1, maximum=100)
LOGIN_LOCKOUT_SECONDS = env_int("LOGIN_LOCKOUT_SECONDS", 900, minimum=1, maximum=86400)
OPERATORS_NEED_SECOND_FACTOR = env_bool("OPERATORS_NEED_SECOND_FACTOR", default=False)
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Who fails is locked out as this person at this address: elsewhere the same person comes in, here another one does.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = LOGIN_FAILURE_LIMIT
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_LOCKOUT_SECONDS)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "apps.console.lockout.address_of"
AXES_USERNAME_CALLABLE = "apps.console.lockout.known_username"
AXES_LOCKOUT_CALLABLE = "apps.console.signin.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "password", "code", "ip_address", "next", "csrfmiddlewaretoken"]
AXES_ENABLE_ADMIN = False  # the console has a page of its own
AXES_DISABLE_ACCESS_LOG = True  # the audit has it
AXES_VERBOSE = False
OTP_TOTP_ISSUER = f"XERPIUM {urlsplit(HUB_PUBLIC_URL).hostname}"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# Not in Redis, which services read: who has the key of an operator's session is that operator.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 3600

# --- Console ----------------------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "XERPIUM",
    "SITE_HEADER": "XERPIUM",
    "SITE_SUBHEADER": "Service hub",
    "SITE_URL": None,
    "SITE_ICON": {"light": f"{STATIC_URL}hub/logo.svg", "dark": f"{STATIC_URL}hub/logo.svg"},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}hub/logo.svg"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "apps.console.views.home_context",
    "STYLES": [f"{STATIC_URL}hub/hub.css"],
    "SCRIPTS": [f"{STATIC_URL}hub/hub.js"],
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "apps.console.navigation.menu"},
    "COMMAND": {"search_callback": "apps.console.navigation.find"},
    "ACCOUNT": {"navigation": "apps.console.navigation.account"},
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        }
    },
}

# --- Browser security -------------------------------------------------------------------------------------------------
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# Of the console only (apps.core.csp has the others): Unfold's Alpine evaluates its attributes ('unsafe-eval') and its
# pages carry style elements; no page carries a script.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
SECURE_REFERRER_POLICY = "same-origin"
if not DEVELOPMENT:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env_bool("SECURE_SSL_REDIRECT", default=True)
    # Probes reach a container by its address and speak plain HTTP.
    SECURE_REDIRECT_EXEMPT = [r"^health(/|$)", r"^metrics/?$"]
    SECURE_HSTS_SECONDS = env_int("SECURE_HSTS_SECONDS", 31536000, minimum=0, maximum=63072000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    if env_bool("BEHIND_TLS_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Periodic work ----------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The schedule lives in memory: there is no file to be spoilt by a kill, and every task finds its own work anyway.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "xerpium"

# --- Log --------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env_str("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    raise ImproperlyConfigured(f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not {LOG_LEVEL!r}.")
LOGGING = configure_logging(development=DEVELOPMENT, level=LOG_LEVEL)

# --- REST -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.serviceauth.authentication.BearerToken",
        "apps.core.access.OperatorSession",
        "apps.core.access.OpenHub",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.core.authority.MayUse"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.core.renderers.AlwaysJSON",
    "EXCEPTION_HANDLER": "apps.core.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "apps.core.schema.HubAutoSchema",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "XERPIUM hub",
    "DESCRIPTION": "Registers services, finds them, and tells everyone what changed.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Sets of words that several fields share: without names of their own they are numbered.
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "apps.registry.models.STATUS_CHOICES",
        "ReportedStatusEnum": "apps.registry.models.REPORT_CHOICES",
        "PolledStatusEnum": "apps.registry.models.POLL_CHOICES",
        "PermissionModeEnum": ["all", "any"],
        "PathKindEnum": "apps.menus.models.KINDS",
    },
    "GET_LIB_DOC_EXCLUDES": "apps.core.schema.undocumented_bases",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
}
