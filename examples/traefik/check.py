"""Looks at a running Traefik: does each way to a service ask Keyward, and keep the secret back?

    python3 check.py http://127.0.0.1:9901 open

The address is that of Traefik's API; the names after it are services that are open on purpose. Prints what is wrong, and ends
with 1 if anything is.
"""

import json
import sys
import urllib.request

SECRETS = {"authorization", "x-api-key"}


def qualified(name, beside):
    """A name with its provider: without one it is of the same as what names it."""
    return name if "@" in name else f"{name}@{beside.rsplit('@', 1)[1]}"


def steps(owner, item, middlewares):
    """The middlewares of a router or a service in their order, chains taken apart."""
    for name in item.get("middlewares") or []:
        name = qualified(name, owner)
        middleware = middlewares.get(name, {})
        if "chain" in middleware:
            yield from steps(name, middleware["chain"], middlewares)
        else:
            yield middleware


def asks(middleware):
    """Whether this asks Keyward."""
    return "/verify" in middleware.get("forwardAuth", {}).get("address", "")


def removed(middleware):
    """The headers that this takes from a request."""
    headers = middleware.get("headers", {}).get("customRequestHeaders", {})
    return {name.lower() for name, value in headers.items() if value == ""}


def faults(data, is_open):
    """What is wrong, in words."""
    middlewares, services = data.get("middlewares", {}), data.get("services", {})
    for name, router in sorted(data.get("routers", {}).items()):
        service = qualified(router["service"], name)
        if name.endswith("@internal") or service.split("@")[0] in is_open:
            continue
        way = [*steps(name, router, middlewares), *steps(service, services.get(service, {}), middlewares)]
        asked = next((place for place, step in enumerate(way) if asks(step)), None)
        if asked is None:
            yield f"{name}: does not ask Keyward on its way to {service}"
        elif not SECRETS <= set().union(*map(removed, way[asked:])):
            yield f"{name}: passes the secret on to {service}"


def main():
    address, *is_open = sys.argv[1:]
    with urllib.request.urlopen(f"{address}/api/rawdata", timeout=10) as answer:
        data = json.load(answer)
    found = list(faults(data, is_open))
    print("\n".join(found) or f"{len(data['routers'])} routers: all ask Keyward, but those to {', '.join(is_open) or 'none'}")
    sys.exit(1 if found else 0)


main()
