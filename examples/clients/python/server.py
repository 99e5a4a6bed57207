"""A service whose endpoints Keyward guards: KEYWARD_ADDRESS=127.0.0.1:50051 PORT=8000 python3 server.py"""

import json
import logging
import os
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import grpc
from guard import Guard

logging.basicConfig(level=logging.INFO)


def contents(variable):
    """What the file holds that this variable names; None without it."""
    return Path(os.environ[variable]).read_bytes() if variable in os.environ else None


def credentials():
    """TLS, where it is said whose word on Keyward's certificate is trusted."""
    authorities = contents("KEYWARD_CA_FILE")
    own = contents("KEYWARD_CLIENT_KEY"), contents("KEYWARD_CLIENT_CERT")
    return authorities and grpc.ssl_channel_credentials(authorities, *own)


guard = Guard(
    os.environ.get("KEYWARD_ADDRESS", "127.0.0.1:50051"),
    caller_key=os.environ.get("KEYWARD_ADMIN_KEY"),
    fail_open=os.environ.get("FAIL_OPEN") == "yes",
    credentials=credentials(),
)


def hello(environ, start_response):
    key = environ["keyward.key"]
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"key": key and key.id, "owner": key and key.owner}).encode()]


def not_found(_environ, start_response):
    start_response("404 Not Found", [])
    return []


ROUTES = {
    ("GET", "/v1/templates"): guard(hello, "templates:read"),
    ("POST", "/v1/messages"): guard(hello, "messaging:send"),
}


def service(environ, start_response):
    route = ROUTES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]), not_found)
    return route(environ, start_response)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), service, Server) as server:
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
