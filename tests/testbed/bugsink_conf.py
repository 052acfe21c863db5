"""Bugsink for tests: everything in the folder BUG_DIR, digested at once, every event held against the schema."""
import os

from bugsink.settings.default import *  # noqa: F401,F403
from bugsink.settings.default import DATABASES

DIR = os.environ["BUG_DIR"]
PLENTY = 1_000_000

SECRET_KEY = "for-tests-on-loopback-only-never-for-anything-else-at-all"
DATABASES["default"]["NAME"] = f"{DIR}/db.sqlite3"
DATABASES["snappea"]["NAME"] = f"{DIR}/snappea.sqlite3"
SENTRY_DSN = None
TIME_ZONE = "UTC"
SNAPPEA = {"TASK_ALWAYS_EAGER": True}  # no worker process: an event is stored before it is answered
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
BUGSINK = {
    "BASE_URL": f"http://127.0.0.1:{os.environ['BUG_PORT']}",
    "SINGLE_USER": True,
    "SINGLE_TEAM": True,
    "USER_REGISTRATION": "CB_NOBODY",
    "PHONEHOME": False,
    "VALIDATE_ON_DIGEST": "strict",
    "KEEP_ENVELOPES": 1000,
    "INGEST_STORE_BASE_DIR": f"{DIR}/ingestion",
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES": PLENTY,
    "MAX_EVENTS_PER_5_MINUTES": PLENTY,
    "MAX_EVENTS_PER_PROJECT_PER_HOUR": PLENTY,
    "MAX_EVENTS_PER_HOUR": PLENTY,
}
