"""Whether a key that an earlier start got for an example service still opens the hub."""

import json
import urllib.error
import urllib.request

KEY_PREFIX = "xrp_"
"""How the text of every key begins (`apps.serviceauth.keys`, which the supervisor does without)."""
ASK_SECONDS = 10.0
UNAUTHORIZED = 401


def is_refused(hub_url: str, service: str, key: str) -> bool:
    """Return whether the hub says that ``key`` is none of ``service``; blocks. Silence says nothing about the key."""
    body = json.dumps({"service_name": service, "service_key": key}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own hub
        f"{hub_url}/api/v1/service-auth/token", body, {"Content-Type": "application/json"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=ASK_SECONDS):
            return False
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == UNAUTHORIZED
    except OSError:
        return False
