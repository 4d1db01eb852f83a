"""What AsyncAPI 3.0 asks of a document, as far as the hub's has such parts: names, required members, references.

Written after the text of the specification (3.0.0). A complaint is the place and what is wrong there.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema_rs import Draft7Validator

Check = Callable[[Any, str], Iterator[str]]

NAME = re.compile(r"[A-Za-z0-9_\-]+")
COMPONENT = re.compile(r"[A-Za-z0-9.\-_]+")
EXPRESSION = re.compile(r"\$message\.(header|payload)#(/([^/~]|~[01])*)*")
DRAFT_07 = Draft7Validator({"$ref": "http://json-schema.org/draft-07/schema"}, offline=True)
TEXTS = ("title", "summary", "description")
ALLOWED = {
    "document": {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"},
    "info": {"title", "version", "description", "termsOfService", "contact", "license", "tags", "externalDocs"},
    "server": {
        *("host", "protocol", "protocolVersion", "pathname", "description", "title", "summary", "variables"),
        *("security", "tags", "externalDocs", "bindings"),
    },
    "variable": {"enum", "default", "description", "examples"},
    "channel": {
        *("address", "messages", "title", "summary", "description", "servers", "parameters", "tags"),
        *("externalDocs", "bindings"),
    },
    "parameter": {"enum", "default", "description", "examples", "location"},
    "operation": {
        *("action", "channel", "title", "summary", "description", "security", "tags", "externalDocs", "bindings"),
        *("traits", "messages", "reply"),
    },
    "reply": {"address", "channel", "messages"},
    "message": {
        *("headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags"),
        *("externalDocs", "bindings", "examples", "traits", "deprecated"),
    },
    "example": {"headers", "payload", "name", "summary"},
    "correlationId": {"description", "location"},
    "tag": {"name", "description", "externalDocs"},
    "components": {
        *("schemas", "servers", "channels", "operations", "messages", "securitySchemes", "serverVariables"),
        *("parameters", "correlationIds", "replies", "replyAddresses", "externalDocs", "tags"),
        *("operationTraits", "messageTraits", "serverBindings", "channelBindings", "operationBindings"),
        "messageBindings",
    },
}
REQUIRED = {
    "document": {"asyncapi", "info"},
    "info": {"title", "version"},
    "server": {"host", "protocol"},
    "operation": {"action", "channel"},
    "correlationId": {"location"},
    "tag": {"name"},
}


def complaints(document: Mapping[str, Any]) -> list[str]:
    """Return everything that is wrong with an AsyncAPI 3.0 document."""
    return list(_document(document))


def resolve(document: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference inside of the document leads to.

    Raises:
        LookupError: nothing is there.
    """
    if not reference.startswith("#/"):
        raise LookupError(reference)
    node: Any = document
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        node = node[int(name)] if isinstance(node, list) else node[name]
    return node


def _document(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _shape("document", document, "")
    if document.get("asyncapi") != "3.0.0":
        yield "/asyncapi: the version is 3.0.0"
    yield from _shape("info", document.get("info"), "/info")
    yield from _map(document, "servers", _server)
    yield from _map(document, "channels", _channel)
    yield from _map(document, "operations", _operation)
    components = document.get("components", {})
    yield from _shape("components", components, "/components")
    for kind, found in components.items():
        for name in found:
            if not COMPONENT.fullmatch(name):
                yield f"/components/{kind}/{name}: no name of a component"
    yield from _each(components.get("messages", {}), "/components/messages", _message)
    yield from _each(components.get("schemas", {}), "/components/schemas", _schema)
    yield from _each(components.get("correlationIds", {}), "/components/correlationIds", _correlation)
    yield from _references(document, document, "")
    yield from _messages_of_operations(document)
    yield from _addresses_of_replies(document)


def _map(document: Mapping[str, Any], kind: str, check: Check) -> Iterator[str]:
    for name in document.get(kind, {}):
        if not NAME.fullmatch(name):
            yield f"/{kind}/{name}: no name"
    yield from _each(document.get(kind, {}), f"/{kind}", check)


def _each(found: Mapping[str, Any], at: str, check: Check) -> Iterator[str]:
    for name, item in found.items():
        if not _is_reference(item):
            yield from check(item, f"{at}/{name}")


def _shape(kind: str, found: Any, at: str) -> Iterator[str]:
    if not isinstance(found, Mapping):
        yield f"{at}: an object"
        return
    unknown = {name for name in found.keys() - ALLOWED[kind] if not name.startswith("x-")}
    yield from (f"{at}/{name}: unknown" for name in sorted(unknown))
    yield from (f"{at}/{name}: required" for name in sorted(REQUIRED.get(kind, set()) - found.keys()))
    for name in TEXTS:
        if name in found and not isinstance(found[name], str):
            yield f"{at}/{name}: a text"


def _server(found: Any, at: str) -> Iterator[str]:
    yield from _shape("server", found, at)
    named = set(re.findall(r"{([^}]+)}", found["host"] + found.get("pathname", "")))
    if named != found.get("variables", {}).keys():
        yield f"{at}/variables: they are those of the address"
    for name, variable in found.get("variables", {}).items():
        yield from _shape("variable", variable, f"{at}/variables/{name}")


def _channel(found: Any, at: str) -> Iterator[str]:
    yield from _shape("channel", found, at)
    if not isinstance(found.get("address"), str | None):
        yield f"{at}/address: a text or null"
        return
    named = set(re.findall(r"{([^}]+)}", found.get("address") or ""))
    if named != found.get("parameters", {}).keys():
        yield f"{at}/parameters: they are those of the address"
    for name, parameter in found.get("parameters", {}).items():
        yield from _shape("parameter", parameter, f"{at}/parameters/{name}")
    for index, server in enumerate(found.get("servers", [])):
        if not _is_reference(server) or not server["$ref"].startswith("#/servers/"):
            yield f"{at}/servers/{index}: a reference to a server"
    yield from _each(found.get("messages", {}), f"{at}/messages", _message)


def _operation(found: Any, at: str) -> Iterator[str]:
    yield from _shape("operation", found, at)
    if found.get("action") not in ("send", "receive"):
        yield f"{at}/action: send or receive"
    if "reply" in found:
        yield from _shape("reply", found["reply"], f"{at}/reply")
        if "address" in found["reply"]:
            yield from _correlation(found["reply"]["address"], f"{at}/reply/address")
    if not _is_reference(found.get("channel")) or not found["channel"]["$ref"].startswith("#/channels/"):
        yield f"{at}/channel: a reference to a channel"


def _messages_of_operations(document: Mapping[str, Any]) -> Iterator[str]:
    """The messages of an operation are references into its channel, not to the components."""
    for name, operation in document.get("operations", {}).items():
        home = f"{operation['channel']['$ref']}/messages/"
        for index, message in enumerate(operation.get("messages", [])):
            if not _is_reference(message) or not message["$ref"].startswith(home):
                yield f"/operations/{name}/messages/{index}: a reference to a message of its channel"


def _addresses_of_replies(document: Mapping[str, Any]) -> Iterator[str]:
    """Where messages say to which address a reply goes, its channel has none of its own."""
    for name, operation in document.get("operations", {}).items():
        reply = operation.get("reply", {})
        if "address" in reply and resolve(document, reply["channel"]["$ref"]).get("address") is not None:
            yield f"/operations/{name}/reply/channel: its address is null"


def _message(found: Any, at: str) -> Iterator[str]:
    yield from _shape("message", found, at)
    if "headers" in found:
        yield from _schema(found["headers"], f"{at}/headers")
        if not _is_reference(found["headers"]) and found["headers"].get("type") != "object":
            yield f"{at}/headers: headers are an object"
    if "payload" in found:
        yield from _schema(found["payload"], f"{at}/payload")
    if "correlationId" in found and not _is_reference(found["correlationId"]):
        yield from _correlation(found["correlationId"], f"{at}/correlationId")
    for index, tag in enumerate(found.get("tags", [])):
        yield from _shape("tag", tag, f"{at}/tags/{index}")
    for index, example in enumerate(found.get("examples", [])):
        yield from _shape("example", example, f"{at}/examples/{index}")
        if not example.keys() & {"headers", "payload"}:
            yield f"{at}/examples/{index}: headers or payload"


def _correlation(found: Any, at: str) -> Iterator[str]:
    yield from _shape("correlationId", found, at)
    if not EXPRESSION.fullmatch(found.get("location", "")):
        yield f"{at}/location: no runtime expression"


def _schema(found: Any, at: str) -> Iterator[str]:
    """A schema of AsyncAPI is one of draft 07; ``discriminator`` is a name, and ``schema`` would be another format."""
    if isinstance(found, bool):
        return
    if not isinstance(found, Mapping):
        yield f"{at}: a schema"
        return
    if "schema" in found:
        yield f"{at}/schema: a schema of another format, which many tools cannot read"
    for error in DRAFT_07.iter_errors(found):
        yield f"{at}/{'/'.join(map(str, error.instance_path))}: {error.message[:200]}"
    if not isinstance(found.get("discriminator", ""), str):
        yield f"{at}/discriminator: a name"


def _references(node: Any, document: Mapping[str, Any], at: str) -> Iterator[str]:
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from _references(part, document, f"{at}/{index}")
    elif isinstance(node, Mapping):
        if isinstance(reference := node.get("$ref"), str):
            try:
                resolve(document, reference)
            except (LookupError, ValueError, TypeError):
                yield f"{at}/$ref: {reference} leads nowhere"
        for name, part in node.items():
            if name not in ("examples", "const", "enum", "default"):
                yield from _references(part, document, f"{at}/{name}")


def _is_reference(found: Any) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get("$ref"), str)
