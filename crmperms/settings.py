"""Settings of crmperms; what differs between installations comes from the environment.

Read: DATABASE_URL, SECRET_KEY, DEBUG, ALLOWED_HOSTS, EXPORT_ROOT, EMAIL_URL, EMAIL_FROM,
EMAIL_TIMEOUT, SITE_URL, CSRF_TRUSTED_ORIGINS, PROXIES, SECURE (1 behind https), HTTPS_REDIRECT,
HSTS_SECONDS, SESSION_HOURS, SESSION_IDLE_MINUTES, X_ACCEL_REDIRECT, SITE_LANGUAGE, TIME_ZONE and
CURRENCY.
Everything has a default that is safe on one's own machine.
"""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import environ  # type: ignore[import-untyped]  # ships neither annotations nor a marker
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy

from crmperms.environment import (
    database,
    folder_of_its_own,
    internal_address,
    mail_server,
    whole_number,
    yes_or_no,
)
from crmperms.secret import private_file, private_folder, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = BASE_DIR / "var"
if VAR.is_dir():
    private_folder(VAR)
env = environ.Env()

DEBUG = yes_or_no("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or secret_key(VAR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "crmperms.apps.SiteConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "crmperms.apps.CrmAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "csp",
    "django_filters",
    "guardian",
    "accounts",
    "records",
    "exports",
]

MIDDLEWARE = [
    # Outermost: these headers stand on every answer, files and errors too.
    "crmperms.edge.PermissionsPolicyMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "accounts.middleware.LanguageMiddleware",
    "accounts.middleware.MethodMiddleware",
    "crmperms.bodies.BodyMiddleware",
    "crmperms.static_files.StaticFilesMiddleware",
    "accounts.middleware.PageGZipMiddleware",
    "crmperms.faults.KeptAnswerMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.session_limits.SessionLimitsMiddleware",
    "accounts.middleware.OwnSettingsMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.OriginMiddleware",
    "accounts.middleware.NoStoreMiddleware",
    "accounts.middleware.CurrentRightsMiddleware",
]

ROOT_URLCONF = "crmperms.urls"
WSGI_APPLICATION = "crmperms.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
# Our widgets’ templates lie beside all others; the most frequent pieces are drawn without one.
FORM_RENDERER = "accounts.form_pieces.Renderer"

# --- Databases: SQLite embedded, PostgreSQL by DATABASE_URL ---------------------------------------

_database = database("DATABASE_URL", default=f"sqlite:///{VAR / 'crmperms.sqlite3'}")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    if _database["NAME"] != ":memory:":
        _file = Path(_database["NAME"])
        # A place of somebody else's choice stays as open as it is; what is made anew does not.
        private_folder(_file.parent, mend=_file.parent == VAR)
        private_file(_file, mend=_file.parent == VAR)
    _database["OPTIONS"] = {
        # IMMEDIATE: a transaction that reads first and writes later would otherwise fail with
        # "database is locked" instead of waiting its turn.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
        ),
    }
    # A file, since tests start real processes that must see the same data.
    _database["TEST"] = {"NAME": env.str("TEST_DATABASE_FILE", default=str(VAR / "test.sqlite3"))}
else:
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
    # Rules make long statements that touch few rows: compiling one takes longer than running it
    # (who_can over 2,000 people: 0.1 s without, 0.9 s with).
    _database.setdefault("OPTIONS", {}).setdefault("options", "-c jit=off")
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People and log-in ----------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.AccessBackend"]
# guardian keeps explicit shares only; its own backend would be a second definition of access.
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
PASSWORD_HASHERS = [
    "accounts.passwords.Argon2Hasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.OwnNameValidator"},
    {"NAME": "accounts.passwords.LengthLimit"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 60 * 60  # seconds that a link to a new password works
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# A log-in ends so long after its last use, and so long after it began: accounts/session_limits.py.
SESSION_IDLE = timedelta(minutes=whole_number("SESSION_IDLE_MINUTES", default=120))
SESSION_LONGEST = timedelta(hours=whole_number("SESSION_HOURS", default=12, most=365 * 24))
if not timedelta(0) < SESSION_IDLE <= SESSION_LONGEST:
    raise ImproperlyConfigured(
        "SESSION_IDLE_MINUTES must be at least 1, and no longer than the SESSION_HOURS of a log-in."
    )
SESSION_ENGINE = "accounts.models.sessions"
SESSION_COOKIE_AGE = int(SESSION_LONGEST.total_seconds())
SESSION_COOKIE_HTTPONLY = True
# Messages of one person must not meet the next one at a shared browser (a cookie would).
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Safety ---------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# No script but from our own files, none in a page, none in an attribute. The theme's Alpine
# compiles its attributes, hence eval; the theme sets colours in the page, hence inline styles.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, UNSAFE_EVAL],
        "script-src-attr": [NONE],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# How many proxies of ours stand in front, each adding to X-Forwarded-For where it was called from.
PROXIES = whole_number("PROXIES", default=0, most=100)
SECURE = yes_or_no("SECURE", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
# The proxy in front says by which way it was called, and must say it of every request.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_SSL_REDIRECT = yes_or_no("HTTPS_REDIRECT", default=SECURE)
_YEAR = 365 * 24 * 3600
SECURE_HSTS_SECONDS = whole_number("HSTS_SECONDS", default=_YEAR, most=10 * _YEAR) if SECURE else 0
SILENCED_SYSTEM_CHECKS += [
    # An installation speaks for its own name, not for names below it or for lists of browsers.
    "security.W005",
    "security.W021",
]
# A form is the most that anybody sends; no page takes files, so none ever lies on the disk.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# --- Files, mail, language ------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
# Served from where they lie: no collecting step that could be forgotten.
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "crmperms.static_files.MarkedStorage"},
}
EXPORT_ROOT = folder_of_its_own("EXPORT_ROOT", default=VAR / "exports")
# An internal address of nginx that leads to EXPORT_ROOT; empty: the product sends files itself, and
# a download breaks off when its right is lost.
X_ACCEL_REDIRECT = internal_address("X_ACCEL_REDIRECT")
# Without EMAIL_URL no e-mail is written and nothing fails: people are told in their inbox.
_email = mail_server("EMAIL_URL")
MAIL_ENABLED = bool(_email)
globals().update(_email)
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="crmperms@localhost")
# Seconds for each answer of the mail server: exports wait behind it.
EMAIL_TIMEOUT = whole_number("EMAIL_TIMEOUT", default=5, least=1, most=600)
# Where people reach the product; links in e-mails begin with it. Empty: they say where to click.
SITE_URL = env.str("SITE_URL", default="").rstrip("/")
FILTERS_EMPTY_CHOICE_LABEL = gettext_lazy("Any")
# What amounts are in, as lists say it behind them: EUR, or nothing.
CURRENCY = env.str("CURRENCY", default="").strip()[:5]
# The theme looks up the names of all of these for every page: two cost it some microseconds, all
# hundred of Django's cost a millisecond.
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
# Of whoever chose none and whose browser asks for none of these; and of what nobody asked for by a
# browser: the worker, commands, e-mails. Not LANGUAGE, which shells set for their own programs.
LANGUAGE_CODE = env.str("SITE_LANGUAGE", default="") or "en-gb"
if LANGUAGE_CODE not in dict(LANGUAGES):
    raise ImproperlyConfigured(
        f"SITE_LANGUAGE is {LANGUAGE_CODE!r}, which is no language of crmperms. Name one of these: "
        f"{', '.join(dict(LANGUAGES))}."
    )
# What times are shown in to whoever chose no zone of their own; and for everybody what a day, a
# weekend and office hours are.
TIME_ZONE = env.str("TIME_ZONE", default="") or "UTC"
try:
    ZoneInfo(TIME_ZONE)
except (LookupError, ValueError, OSError):  # unknown, or no name at all
    raise ImproperlyConfigured(
        f"TIME_ZONE is {TIME_ZONE!r}, which is no time zone. Name one as Europe/Berlin or UTC."
    ) from None
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH: list[str] = ["crmperms.formats"]
USE_THOUSAND_SEPARATOR = True

# Whoever brings more records than this into somebody's view types their number to confirm it (B4).
CONFIRM_RECORDS_ABOVE = 1_000

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"reference": {"()": "crmperms.faults.ReferenceFilter"}},
    "formatters": {"line": {"format": "{reference}{message}", "style": "{"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["reference"],
            "formatter": "line",
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    # A refusal is an answer, not an incident; the audit log keeps it.
    "loggers": {"django.request": {"level": "ERROR"}, "django.security": {"level": "ERROR"}},
}

UNFOLD = {
    "SITE_TITLE": "crmperms",
    "SITE_HEADER": "crmperms",
    "SITE_SUBHEADER": gettext_lazy("CRM access & export control"),
    "SITE_SYMBOL": "shield_person",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "href": "crmperms.site.icon", "type": "image/svg+xml"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "DASHBOARD_CALLBACK": "crmperms.dashboard.dashboard",
    "STYLES": ["crmperms.site.stylesheet"],
    "SCRIPTS": ["crmperms.site.script"],
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "crmperms.menu.navigation",
    },
    "ACCOUNT": {"navigation": "crmperms.site.account_links"},
    "COMMAND": {"search_models": False, "show_history": False},
}
