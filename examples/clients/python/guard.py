"""WSGI middleware: a request passes only if Keyward says that its API key may do this. One Check for each request."""

import json
import logging
import re

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from keyward.v1.key_service_pb2 import CheckContext, CheckRequest, DenialReason
from keyward.v1.key_service_pb2_grpc import KeyServiceStub

log = logging.getLogger("keyward")

# Seconds that a request waits for Keyward at most, all tries together.
DEADLINE = 0.2

# What says UNAVAILABLE was not charged, so one more try is safe. (Where the connection broke under the answer, the key
# pays twice: never too little.) A denial is an answer and is not tried again; a deadline that has passed leaves no time to.
RETRY = {
    "name": [{"service": "keyward.v1.KeyService", "method": "Check"}],
    "retryPolicy": {
        "maxAttempts": 2,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    },
}

CHANNEL_OPTIONS = [
    ("grpc.service_config", json.dumps({"methodConfig": [RETRY]})),
    # Else gRPC waits for up to two minutes before it tries to reach a Keyward that was away.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

# What gRPC says where nobody is at the other end. Whoever answers, whatever it is, or takes a connection and is silent, is
# there: UNAVAILABLE by itself, or a deadline that has passed, is no absence.
NOBODY = re.compile("Connection refused|No route to host|Network is unreachable", re.IGNORECASE)
REASONS = {number: name.removeprefix("DENIAL_REASON_") for name, number in DenialReason.items()}
SPENT = {"RATE_LIMITED": "Rate limit exceeded.", "QUOTA_EXCEEDED": "Quota exceeded."}
# Only these are told to the holder of a good key. All others, and those to come, are one 401: a stranger must not
# learn whether a key ever existed.
FORBIDDEN = {
    "SCOPE_INSUFFICIENT",
    "RESOURCE_NOT_GRANTED",
    "ROLE_INSUFFICIENT",
    "ADDRESS_NOT_ALLOWED",
    "WORKSPACE_MISMATCH",
    "WORKSPACE_SUSPENDED",
    "ENVIRONMENT_MISMATCH",
}


class Guard:
    """Holds the one connection to Keyward. Make one for each process: where there is a fork, after it."""

    def __init__(self, address, caller_key=None, fail_open=False, credentials=None):
        """`caller_key`: an administration key with `keys:check`, which Keyward asks for beyond loopback.

        `fail_open`: while no connection to Keyward can be made, whoever presents a credential gets through unchecked,
        instead of a 503.
        `credentials`: `grpc.ssl_channel_credentials(...)`, for a Keyward that speaks TLS.
        """
        if credentials:
            channel = grpc.secure_channel(address, credentials, CHANNEL_OPTIONS)
        else:
            channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
        self.check = KeyServiceStub(channel).Check
        self.metadata = [("authorization", f"Bearer {caller_key}")] if caller_key else None
        self.fail_open = fail_open

    def __call__(self, app, *scopes):
        """`app` for holders of all these scopes. It finds the key in `environ["keyward.key"]`; None if unchecked."""

        def guarded(environ, start_response):
            api_key, refused = credential(environ)
            if refused:
                return refused(environ, start_response)
            context = CheckContext(source_address=environ.get("REMOTE_ADDR", ""))
            request = CheckRequest(api_key=api_key, scopes=scopes, context=context)
            environ["keyward.key"], told = None, []
            try:
                answer = self.check(request, timeout=DEADLINE, metadata=self.metadata)
            except grpc.RpcError as error:
                log.error("no answer: %s", described(error))
                if not (self.fail_open and is_away(error)):
                    return UNDECIDED(environ, start_response)
                log.warning("let through unchecked: %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            else:
                if not answer.allowed:
                    return denied(answer, scopes)(environ, start_response)
                environ["keyward.key"], told = answer.key, limits(answer)
            return app(environ, lambda status, headers, *rest: start_response(status, headers + told, *rest))

        return guarded


def credential(environ):
    """The one credential of the two headers, or a refusal. What is in it is for Keyward to judge."""
    authorization, api_key = environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_X_API_KEY", "")
    presented = {api_key}
    # Another scheme is not ours, unless a proxy has joined a Bearer to it.
    bearer = re.search(r"(^|,)\s*bearer\b", authorization, re.IGNORECASE)
    if bearer:
        presented.add(authorization[len("bearer ") :])
    presented.discard("")
    if len(presented) > 1 or "," in api_key or (bearer and "," in authorization):
        return None, AMBIGUOUS
    return (presented.pop(), None) if presented else (None, MISSING)


def is_away(error):
    """Whether Keyward is away, and not one that is there and does not decide: that one says why."""
    said = rpc_status.from_call(error)
    return error.code() == grpc.StatusCode.UNAVAILABLE and not said and bool(NOBODY.search(error.details() or ""))


def described(error):
    """The code, and the reason that Keyward gives. There is no secret in either."""
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    if status and any(detail.Unpack(info) for detail in status.details):
        return f"{error.code().name}, {info.reason} {dict(info.metadata)}"
    return f"{error.code().name}, {error.details()}"


def denied(answer, scopes):
    """What the client is told of a denial. The exact reason is for the log."""
    denial, reason = answer.denial, REASONS.get(answer.denial.reason, "")
    log.info("denied: %s, %s", reason, answer.key.id or "no known key")
    if reason in SPENT:
        wait = [("retry-after", str(denial.retry_after.seconds))] if denial.HasField("retry_after") else []
        when = f"Retry after {denial.retry_after.seconds} seconds." if wait else "It costs more than the limit admits."
        return refusal("429 Too Many Requests", reason, f"{SPENT[reason]} {when}", *wait, *limits(answer))
    if reason in FORBIDDEN:
        challenge = f'{REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'
        return refusal("403 Forbidden", reason, denial.message, ("www-authenticate", challenge), *limits(answer))
    return INVALID


def limits(answer):
    """How the scarcest limit stands; on a 429 that is one that is spent."""
    if not answer.limits:
        return []
    limit = min(answer.limits, key=lambda limit: (limit.remaining / limit.limit, -limit.reset_time.seconds))
    reset = limit.reset_time.seconds + (limit.reset_time.nanos > 0)
    shown = {"limit": limit.limit, "remaining": limit.remaining, "reset": reset}
    return [(f"x-ratelimit-{name}", str(value)) for name, value in shown.items()]


def refusal(status, code, message, *headers):
    """A WSGI application that answers so."""
    body = json.dumps({"success": False, "error": {"code": code, "message": message}}).encode()
    fixed = [("content-type", "application/json"), ("cache-control", "no-store"), ("content-length", str(len(body)))]

    def app(_environ, start_response):
        start_response(status, [*fixed, *headers])
        return [body]

    return app


REALM = 'Bearer realm="api"'
MISSING = refusal(
    "401 Unauthorized", "CREDENTIALS_MISSING", "An API key is required.", ("www-authenticate", REALM)
)
INVALID = refusal(
    "401 Unauthorized",
    "CREDENTIALS_INVALID",
    "The API key is not valid.",
    ("www-authenticate", f'{REALM}, error="invalid_token"'),
)
AMBIGUOUS = refusal(
    "400 Bad Request",
    "CREDENTIALS_AMBIGUOUS",
    "More than one API key was presented. Send exactly one.",
    ("www-authenticate", f'{REALM}, error="invalid_request"'),
)
UNDECIDED = refusal(
    "503 Service Unavailable",
    "UNAVAILABLE",
    "The request cannot be authorized at the moment. Try again.",
    ("retry-after", "1"),
)
