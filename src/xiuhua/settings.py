"""Django settings, derived from the typed environment (`xiuhua.env`); nothing is read elsewhere."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from xiuhua import logs
from xiuhua.env import EnvError, env
from xiuhua.rooms import DJANGO_APPS, ROOMS

try:
    ENV = env()
except EnvError as error:
    raise ImproperlyConfigured(f"the environment cannot be used:\n{error}") from None

HERE = Path(__file__).resolve().parent

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENV.trusted_origins)

INSTALLED_APPS = [
    *(f"django.contrib.{app}" for app in DJANGO_APPS),
    *(f"xiuhua.{room}" for room in ROOMS),
]

MIDDLEWARE = [
    "xiuhua.watch.WatchMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "xiuhua.ui.middleware.ReadToTheEndMiddleware",
    "xiuhua.ui.middleware.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "xiuhua.city.middleware.ActorMiddleware",
    "xiuhua.ui.middleware.ReadableAddressMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "xiuhua.urls"
WSGI_APPLICATION = "xiuhua.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "xiuhua.ui.context.shell",
            ],
        },
    }
]

DATABASES = {"default": ENV.databases()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "city.User"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [HERE / room / "locale" for room in ROOMS]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "/static/"
STATIC_ROOT = ENV.data_dir / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if ENV.static == "hashed"
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
MEDIA_ROOT = ENV.data_dir / "files"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
FILE_UPLOAD_PERMISSIONS = 0o640

SESSION_COOKIE_NAME = "xiuhua_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = ENV.https
SESSION_COOKIE_AGE = 12 * 3600  # one long shift
CSRF_COOKIE_NAME = "xiuhua_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = ENV.https
LANGUAGE_COOKIE_NAME = "xiuhua_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if ENV.https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.https else None
X_FRAME_OPTIONS = "DENY"

# Logs carry no personal data: no query strings, bodies, SQL parameters or exceptions' words (xiuhua.logs).
LOGGING = logs.config(ENV.log_format)

# Ours, for the rooms.
DATA_DIR = ENV.data_dir
DATA_KEY = ENV.data_key_bytes
DEMO = ENV.demo
DEMO_PASSWORD = ENV.demo_password  # of every demo log-in; empty outside the demo
DIGEST = ENV.digest
MAP_TILE_URL = ENV.map_tile_url
MAP_TILE_DATUM = ENV.map_tile_datum
MAP_TILE_ATTRIBUTION = ENV.map_tile_attribution
MAP_PROVIDERS = ENV.map_providers
MAP_CACHE_BYTES = ENV.map_cache_mib * 2**20
UPLOAD_MAX_BYTES = ENV.upload_max_bytes
METRICS_TOKEN = ENV.metrics_token
NOTIFY_CHANNELS = ENV.notify_channels
NOTIFY_PRIVATE = ENV.notify_private
PUBLIC_URL = ENV.public_url
STREAM_URL = ENV.stream_url
STREAM_PAGES_PORT = ENV.stream_pages_port
