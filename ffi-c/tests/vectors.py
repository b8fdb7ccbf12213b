"""Writes the vectors that all languages share as tables for vectors.c and bad_bytes.c: vectors.py tests/vectors FOLDER"""

import base64
import json
import pathlib
import re
import sys

SYSTEM = ["message_id", "correlation_id", "user_id", "to", "content_type", "content_encoding", "expiry", "creation_time",
          "output", "interface_id", "schema", "component", "connection_device_id", "connection_module_id",
          "diagnostic_id", "diagnostic_context", "ack", "operation"]
STRING_ERRORS = {"Missing": "MISSING", "Duplicate": "DUPLICATE", "Empty": "EMPTY", "BadValue": "BAD_VALUE",
                 "Unsupported": "UNSUPPORTED", "BadBase64": "BASE64", "BadSegment": "SEGMENT",
                 "BadCharacter": "CHARACTER", "TwoCredentials": "TWO_CREDENTIALS", "NoCredential": "NO_CREDENTIAL"}
KEY_ERRORS = {"Empty": "EMPTY", "BadBase64": "BASE64", "TooLong": "TOO_LONG"}
KEYS = {"SharedAccessKey": "SHARED_ACCESS_KEY", "SharedAccessKeyName": "SHARED_ACCESS_KEY_NAME", "x509": "X509",
        "SharedAccessSignature": "SHARED_ACCESS_SIGNATURE"}

arrays = []


def shout(name):
    return KEYS.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def text(value):
    """An initialiser of an iothub_str: a text, {"hex": ...}, or none."""
    if value is None:
        return "{ NULL, 0 }"
    if isinstance(value, dict):
        data = bytes.fromhex(value["hex"])
    else:
        data = value if isinstance(value, bytes) else value.encode()
    if len(data) > 4000:  # C99 promises no longer literals.
        arrays.append(f"static const char long_{len(arrays)}[] = {{ {', '.join(map(str, data))} }};")
        return f"{{ long_{len(arrays) - 1}, {len(data)} }}"
    return "{ \"%s\", %d }" % ("".join(f"\\{byte:03o}" for byte in data), len(data))


def table(kind, name, rows):
    body = ",\n".join("    { " + ", ".join(row) + " }" for row in rows)
    if not rows:
        sys.exit(f"no vectors for {name}")
    return f"static const {kind} {name}[] = {{\n{body}\n}};\n"


def pairs(found):
    """A list of pairs of texts, of at most MAX_PAIRS."""
    return f"{len(found)}, {{ " + ", ".join(f"{{ {text(n)}, {text(v)} }}" for n, v in found + [[None, None]]) + " }"


def system(values):
    if unknown := set(values) - set(SYSTEM):
        sys.exit(f"no such system properties: {unknown}")
    return "{ " + ", ".join(text(values.get(name)) for name in SYSTEM) + " }"


def identity(of):
    return "{ " + ", ".join(text(of[name]) for name in
                            ("host_name", "device_id", "module_id", "api_version", "product", "model_id")) + " }"


def connection_strings(vectors):
    good = []
    for case in vectors["good"]:
        credential = case["credential"]
        kind = credential["kind"]
        good.append([text(case["text"]), text(case["host_name"]), text(case["device_id"]), text(case["module_id"]),
                     text(case["connect_host"]), f"IOTHUB_CREDENTIAL_{kind.upper()}", text(credential.get("key")),
                     text(credential.get("name")), text(credential.get("token")), pairs(
                         [[key, None] for key in case["unknown_keys"]])])
    bad = [[text(case["text"]), f"IOTHUB_ERR_STRING_{STRING_ERRORS[case['error']]}",
            f"IOTHUB_KEY_{shout(case['key'])}" if "key" in case else "0", str(case.get("at", 0))]
           for case in vectors["bad"]]
    return table("good_string", "good_strings", good) + table("bad_string", "bad_strings", bad)


def identities(vectors):
    good = [[identity(case["identity"]), text(case["client_id"]), text(case["user_name"]), text(case["resource_uri"])]
            for case in vectors["good"]]
    bad = [[identity(case["identity"]), f"IOTHUB_FIELD_{shout(case['field'])}", str(case["at"])]
           for case in vectors["bad"]]
    return table("good_identity", "good_identities", good) + table("bad_identity", "bad_identities", bad)


def sas(vectors):
    tokens = []
    for case in vectors["tokens"]:
        resource = case["resource"]
        host = resource.get("host_name") or resource.get("id_scope") or resource.get("uri")
        name = resource.get("device_id") or resource.get("registration_id")
        unused = set(resource) - {"kind", "host_name", "id_scope", "uri", "device_id", "registration_id", "module_id"}
        if unused or host is None:
            sys.exit(f"a resource of another shape: {resource}")
        tokens.append([text(case["key"]), f"IOTHUB_RESOURCE_{resource['kind'].upper()}", text(host), text(name),
                       text(resource.get("module_id")), f"{case['expiry']}u", text(case["key_name"]),
                       text(case["string_to_sign"]), text(base64.b64decode(case["signature"])), text(case["token"])])
    signatures = [[text(case["key"]), text(case["message"]), text(base64.b64decode(case["signature"]))]
                  for case in vectors["signatures"]]
    derived = [[text(case["group_key"]), text(case["registration_id"]), text(case["device_key"])]
               for case in vectors["derived_keys"]]
    bad = [[text(case["key"]), f"IOTHUB_ERR_KEY_{KEY_ERRORS[case['error']]}", str(case.get("at", 0)),
            str(case.get("len", 0))] for case in vectors["bad_keys"]]
    return (table("sas_token", "sas_tokens", tokens) + table("sas_signature", "sas_signatures", signatures)
            + table("derived_key", "derived_keys", derived) + table("bad_key", "bad_keys", bad))


def can_be_an_id(value):
    return value is None or re.fullmatch(r"[A-Za-z0-9\-.%_*?!(),=@$':;]{1,128}", value)


def topics(vectors):
    kinds = {"cloud_to_device": "MESSAGE", "input": "MESSAGE", "method": "METHOD_CALL", "desired": "TWIN_DESIRED",
             "twin_response": "NONE", "unknown": "UNKNOWN"}
    received = []
    for case in vectors["received"]:
        if not can_be_an_id(case["device"]) or not can_be_an_id(case["module"]):
            continue  # No client can have such an id.
        means, topic = case["means"], case["topic"]
        status = "IOTHUB_OK"
        if not topic:
            status = "IOTHUB_ERR_PEER_EMPTY_TOPIC"
        elif "+" in topic or "#" in topic:
            status = "IOTHUB_ERR_PEER_WILDCARD_IN_TOPIC"
        version = means.get("version")
        received.append([text(case["device"]), text(case["module"]), text(topic), status,
                         f"IOTHUB_EVENT_{kinds[means['kind']]}", text(means.get("bag")), text(means.get("name")),
                         text(means.get("request_id")), "IOTHUB_VERSION_NONE" if version is None else f"{version}u"])
    filters = [[text(case["device"]), text(case["module"]), pairs([[one["filter"], bytes([one["qos"]])]
                                                                   for one in case["filters"]])]
               for case in vectors["filters"]]
    sent = [[text(case["device"]), text(case["module"]), system(case["system"]), pairs(case["application"]),
             text(case["topic"]), str(case["counted"])] for case in vectors["sent"]["telemetry"]]
    answers = [[str(case["status"]), text(case["request_id"]), text(case["topic"])]
               for case in vectors["sent"]["method_response"]]
    return (table("received_topic", "received_topics", received) + table("filters", "all_filters", filters)
            + table("sent_topic", "sent_topics", sent) + table("method_answer", "method_answers", answers))


def properties(vectors):
    received = [[text(case["bag"]), pairs(case["pairs"]), system(case["system"]), pairs(case["application"])]
                for case in vectors["received"]]
    sent = [[text("d1"), text("m1"), system(case["system"]), pairs(case["application"]),
             text("devices/d1/modules/m1/messages/events/" + case["bag"]), str(case["counted"])]
            for case in vectors["sent"]]
    encoding = [[text(case["text"]), text(case["encoded"])] for case in vectors["encoding"]]
    refused = [[pairs(case["application"])] for case in vectors["refused"]]
    return (table("received_bag", "received_bags", received) + table("sent_topic", "sent_bags", sent)
            + table("encoding", "encodings", encoding) + table("refused_bag", "refused_bags", refused))


def bad_inputs(vectors):
    kinds = {"Connected": ("CONNECTED", 0), "Connected session_present": ("CONNECTED", 1), "Ready": ("READY", 0),
             "Ready refused": ("READY", 1), "Unknown": ("UNKNOWN", 0), "Unknown retain": ("UNKNOWN", 1),
             "TelemetryAcked": ("TELEMETRY_ACKED", 0)}
    rows = []
    for case in vectors["inputs"]:
        data = bytes.fromhex(case["bytes"].replace("PP", "0001").replace("SS", "ffff"))
        events = [kinds[name] for name in case.get("events", [])] + [("NONE", 0)]
        error, status, offset = case.get("error"), "IOTHUB_OK", 0
        if error and error["family"] == "Peer":
            status, offset = f"IOTHUB_ERR_PEER_{shout(error['violation'])}", error["offset"]
        elif error:
            status = f"IOTHUB_ERR_REFUSED_PROTOCOL_VERSION - {error['code'] - 1}"
        rows.append([str(case["row"]), f"STATE_{case['state'].upper()}", text(data),
                     "{ " + ", ".join(f"{{ IOTHUB_EVENT_{kind}, {flag} }}" for kind, flag in events) + " }", status,
                     str(offset), str(case.get("strays", 0)), text(bytes.fromhex(case.get("sent", "")))])
    return table("bad_row", "bad_rows", rows)


# The C interface has no provisioning, and the statements are no vectors.
NOT_FOR_C = {"dps", "conformance"}
# Which table goes where: header files beside each other.
PARTS = {"vectors": ["connection_strings", "identity", "sas", "topics", "properties"], "bad_bytes": ["bad_inputs"]}


def main():
    made = {"connection_strings": connection_strings, "identity": identities, "sas": sas, "topics": topics,
            "properties": properties, "bad_inputs": bad_inputs}
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    if files.keys() != made.keys() | NOT_FOR_C:
        sys.exit(f"vectors that C does not run, or that are gone: {files.keys() ^ (made.keys() | NOT_FOR_C)}")
    for part, names in PARTS.items():
        arrays.clear()
        tables = [made[name](files[name]) for name in names]
        text_of = "\n".join(["/* Made by vectors.py. */", *arrays, *tables])
        (out / f"{part}_table.h").write_text(text_of, encoding="utf-8")


main()
