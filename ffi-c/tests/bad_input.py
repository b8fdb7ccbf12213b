"""Writes a C program that calls every function of iothub.h with every bad input: bad_input.py iothub.h >bad_input.c

The prototypes are read from the header, so a new function or a new kind of parameter cannot be left out: what this does
not know, it refuses. Each bad input is tried alone, everything else being good.
"""

import re
import sys

# What the call gives when nothing is wrong, where that is not IOTHUB_OK.
GOOD = {
    "iothub_client_poll_transmit": "0",
    "iothub_client_poll_timeout": "NOW + 180000",
    "iothub_client_has_event": "0",
    "iothub_client_state": "IOTHUB_STATE_READY",
    "iothub_client_timeout_reason": "IOTHUB_TIMEOUT_KEEP_ALIVE",
    "iothub_client_tx_free": "WHATEVER",
    "iothub_client_telemetry_sent": "IOTHUB_ERR_STALE",
    "iothub_client_telemetry_withdraw": "IOTHUB_ERR_STALE",
    "iothub_client_telemetry_part": "IOTHUB_ERR_STALE",
    "iothub_client_message_accept": "IOTHUB_ERR_STALE",
    "iothub_client_message_leave": "IOTHUB_ERR_STALE",
    "iothub_client_connect": "IOTHUB_ERR_INVALID_STATE",
    "iothub_provisioning_poll_transmit": "0",
    "iothub_provisioning_poll_timeout": "NOW + 60000",
    "iothub_provisioning_has_event": "0",
    "iothub_provisioning_state": "IOTHUB_STATE_READY",
    "iothub_provisioning_timeout_reason": "IOTHUB_TIMEOUT_REQUEST",
    "iothub_provisioning_connect": "IOTHUB_ERR_INVALID_STATE",
    "iothub_json_find": "1",
    "iothub_json_number": "1",
    "iothub_json_text": "1",
    "iothub_json_equals": "0",
    "iothub_json_reader_value": "1",
    "iothub_desired_next": "1",
    "iothub_websocket_connect": "IOTHUB_ERR_INVALID_STATE",
    "iothub_websocket_poll_transmit": "6 + 2",
    "iothub_websocket_poll_timeout": "IOTHUB_NEVER",
    "iothub_websocket_state": "IOTHUB_WEBSOCKET_OPEN",
    "iothub_properties_next": "1",
    "iothub_properties_get": "1",
    "iothub_properties_system": "1",
    "iothub_text_equals": "0",
    "iothub_connection_string_unknown_key": "0",
}

# What the call gives after a fatal error, where that differs. Commands are kept for the next connection.
AFTER_FATAL = {
    "iothub_client_handle_input": "IOTHUB_ERR_PEER_FORBIDDEN_TYPE",
    "iothub_client_poll_event": "IOTHUB_ERR_PEER_FORBIDDEN_TYPE",
    "iothub_client_handle_timeout": "IOTHUB_ERR_PEER_FORBIDDEN_TYPE",
    "iothub_client_disconnect": "IOTHUB_ERR_INVALID_STATE",
    "iothub_client_method_respond": "IOTHUB_ERR_STALE",
    "iothub_client_method_respond_kept": "IOTHUB_ERR_STALE",
    "iothub_client_state": "IOTHUB_STATE_FAILED",
    "iothub_client_timeout_reason": "IOTHUB_TIMEOUT_NONE",
    "iothub_client_poll_transmit": "0",
    "iothub_client_connect": "IOTHUB_OK",
    "iothub_client_has_event": "0",
}
AFTER_FATAL |= {
    f"iothub_provisioning_{name}": AFTER_FATAL[f"iothub_client_{name}"]
    for name in ("handle_input", "poll_event", "handle_timeout", "disconnect", "state", "timeout_reason", "connect")
}
AFTER_FATAL |= {
    "iothub_websocket_handle_input": "IOTHUB_ERR_PEER_WEBSOCKET",
    "iothub_websocket_handle_timeout": "IOTHUB_ERR_PEER_WEBSOCKET",
    "iothub_websocket_poll_transmit": "6 + 2",
    "iothub_websocket_poll_timeout": "NOW + 2000",
    "iothub_websocket_state": "IOTHUB_WEBSOCKET_CLOSING",
}

# What the call gives whatever is wrong.
ALWAYS = {"iothub_client_poll_timeout": "IOTHUB_NEVER", "iothub_provisioning_poll_timeout": "IOTHUB_NEVER"}
# The same, if there is no such object: it is no error there.
ALWAYS_BUT_AFTER_FATAL = {"iothub_websocket_poll_timeout": "IOTHUB_NEVER"}

# These may be NULL; and these objects are made by the call, so that what stood there does not matter.
NULLABLE = {"error", "needed", "token", "withdrawn", "policy"}
MADE = {
    ("iothub_client_init", "client"), ("iothub_rx_init", "rx"), ("iothub_key_init", "key"), ("iothub_key_derive", "key"),
    ("iothub_key_init_bytes", "key"), ("iothub_backoff_init", "backoff"),
    ("iothub_json_reader_init", "reader"), ("iothub_desired_iter_init", "iter"), ("iothub_patch_init", "patch"),
    ("iothub_config_init", "config"), ("iothub_retry_policy_init", "policy"),
    ("iothub_provisioning_init", "provisioning"), ("iothub_websocket_init", "websocket"), ("iothub_provisioning_config_init", "config"),
}
# NULL is a bad input here after all.
REQUIRED = {("iothub_retry_policy_init", "policy")}

OBJECTS = {"iothub_client": "client", "iothub_provisioning": "provisioning", "iothub_websocket": "websocket",
           "iothub_rx": "rx", "iothub_key": "key", "iothub_backoff": "backoff", "iothub_json_reader": "reader",
           "iothub_desired_iter": "desired", "iothub_patch": "patch"}
# Those that a fatal error can end, and how the test brings one about.
MORTAL = {"iothub_client": "fail();", "iothub_provisioning": "fail_provisioning();",
          "iothub_websocket": "fail_websocket();"}
INPUTS = {"iothub_config": "config", "iothub_provisioning_config": "provisioning_config",
          "iothub_upgrade": "upgrade", "iothub_storage": "storage", "iothub_connect": "connect_options",
          "iothub_telemetry": "message", "iothub_resource": "resource", "iothub_retry_policy": "policy"}
# Structs that are neither: made by another call, or an event's.
PLAIN = {"iothub_request": "request", "iothub_kept_request": "kept", "iothub_property_iter": "iter",
         "iothub_event_assigned": "assigned", "iothub_str": "path"}
OUTS = {"iothub_error": "error", "iothub_event": "event", "iothub_pending": "pending", "iothub_retry": "retry",
        "iothub_received_property": "property", "iothub_connection_string": "parsed", "iothub_kept_request": "kept_out",
        "iothub_property_iter": "iter_out", "iothub_str": "text_out", "iothub_bytes": "bytes_out",
        "iothub_desired_property": "desired_property"}
NUMBERS = {
    "parts_len": "4", "part_room": "16", "offset": "0",
    "websocket_size": "sizeof websocket", "window_len": "sizeof window", "mqtt_len": "2",
    "provisioning_size": "sizeof provisioning", "tx_len": "sizeof provisioning_tx",
    "client_size": "sizeof client", "rx_size": "sizeof rx", "key_size": "sizeof key", "backoff_size": "sizeof backoff",
    "reader_size": "sizeof reader", "iter_size": "sizeof desired", "patch_size": "sizeof patch", "path_len": "1",
    "components_len": "1", "section": "IOTHUB_DESIRED_PATCH", "code": "IOTHUB_ACK_APPLIED", "version": "7",
    "number": "-1", "config_size": "sizeof config", "policy_size": "sizeof policy", "buffer_size": "sizeof buffer",
    "now_ms": "NOW", "len": "0", "count": "0", "memory_len": "sizeof memory", "capacity": "4", "index": "0",
    "features": "IOTHUB_FEATURE_TWIN", "http_status": "200", "expiry": "1767225600u", "cause": "IOTHUB_RETRY_LOST",
    "parts_len": "10", "part_room": "4", "offset": "0", "ready_for_ms": "0", "random": "7", "system": "IOTHUB_SYSTEM_MESSAGE_ID", "token": "IOTHUB_TOKEN_NONE",
}
TEXTS = {"bag": "BAG", "name": "IOTHUB_STR(\"a\")", "encoded": "IOTHUB_STR(\"a%20b\")", "text": "CONNECTION_STRING",
         "method": "IOTHUB_STR(\"a*b\")", "spelled": "IOTHUB_STR(\"a\")", "component": "NO_TEXT", "description": "NO_TEXT",
         "key_name": "NO_TEXT", "base64": "KEY_TEXT", "registration_id": "IOTHUB_STR(\"dev1\")",
         "password": "IOTHUB_STR(\"p\")"}
BYTES = {"iothub_json_find": "IOTHUB_BYTES_STR(\"{\\\"a\\\":1}\")", "iothub_json_number": "IOTHUB_BYTES_STR(\"7\")",
         "iothub_json_text": "IOTHUB_BYTES_STR(\"\\\"a\\\"\")"}
ZERO_SIZE = {"client_size": "IOTHUB_ERR_OBJECT_SIZE", "provisioning_size": "IOTHUB_ERR_OBJECT_SIZE",
             "websocket_size": "IOTHUB_ERR_OBJECT_SIZE",
             "tx_len": "IOTHUB_ERR_TOO_LARGE", "rx_size": "IOTHUB_ERR_OBJECT_SIZE",
             "key_size": "IOTHUB_ERR_OBJECT_SIZE", "backoff_size": "IOTHUB_ERR_OBJECT_SIZE",
             "config_size": "IOTHUB_ERR_STRUCT_SIZE", "policy_size": "IOTHUB_ERR_STRUCT_SIZE",
             "reader_size": "IOTHUB_ERR_OBJECT_SIZE", "iter_size": "IOTHUB_ERR_OBJECT_SIZE",
             "patch_size": "IOTHUB_ERR_OBJECT_SIZE", "buffer_size": "IOTHUB_ERR_BUFFER_TOO_SMALL"}
BAD_NUMBER = {"features": ("0x80000000u", "IOTHUB_ERR_BAD_VALUE"), "http_status": ("65536", "IOTHUB_ERR_BAD_VALUE"),
              "cause": ("5", "IOTHUB_ERR_BAD_VALUE"), "system": ("19", "IOTHUB_ERR_BAD_VALUE"),
              "section": ("3", "IOTHUB_ERR_BAD_VALUE"), "code": ("65536", "IOTHUB_ERR_BAD_VALUE"),
              "now_ms": ("UINT64_MAX", "IOTHUB_ERR_BAD_INSTANT")}


class Parameter:
    def __init__(self, function, declaration):
        words = declaration.replace("*", " * ").split()
        self.name = words.pop()
        self.const = words[0] == "const"
        self.stars = words.count("*")
        self.type = [word for word in words if word not in ("const", "struct", "*")][0]
        self.function = function

    def made(self):
        return (self.function, self.name) in MADE

    def good(self):
        if self.name == "config_size" and "provisioning" in self.function:
            return "sizeof provisioning_config"
        if self.stars == 0:
            if self.type in ("iothub_str", "iothub_bytes"):
                return TEXTS[self.name] if self.type == "iothub_str" else BYTES.get(self.function, "SOME_BYTES")
            return NUMBERS[self.name]
        return "&" + self.object() if self.object() not in ARRAYS else self.object()

    def object(self):
        """The C variable that a pointer parameter points to."""
        if self.stars == 2:
            return {"uint8_t": "pointer_out" if self.function.endswith("transmit") else "space_out"}[self.type]
        if self.type in OBJECTS:
            if self.function == "iothub_key_derive" and self.name == "key":
                return "key_out"
            return OBJECTS[self.type]
        if self.type in INPUTS:
            return INPUTS[self.type]
        if self.const and self.type in PLAIN:
            return PLAIN[self.type]
        if self.type == "iothub_property_iter" and self.function == "iothub_properties_next":
            return "iter"
        if self.type in OUTS:
            return "name_out" if self.name == "device_id" else OUTS[self.type]
        return {"char": "text_in" if self.const else "buffer", "uint8_t": {"data": "data_in", "signature": "signature",
                "memory": "memory", "tx": "provisioning_tx", "window": "window", "bytes": "data_in",
                "mqtt": "data_in"}.get(self.name, "?"), "size_t": "size_" + self.name, "uint32_t": "number_" + self.name,
                "uint64_t": "wide_out",
                "iothub_token": "tokens" if self.name == "tokens" else "token_out"}[self.type]

    def input(self):
        """Whether NULL is good if its length is 0, as it is here."""
        return self.name in ("data", "bytes") and self.function.endswith("input")

    def nullable(self):
        where = (self.function, self.name)
        return where not in REQUIRED and self.name in NULLABLE

    def bad(self):
        """Pairs of a C statement or None, the argument, and the status it has to give."""
        if self.stars == 0:
            yield from self.bad_value()
            return
        target = self.object()
        if not self.nullable() and not self.input():
            yield None, "NULL", "IOTHUB_ERR_NULL"
        elif self.input():
            yield "len = 4;", "NULL", "IOTHUB_ERR_NULL"
        if self.type not in ("char", "uint8_t") or self.stars == 2:
            kind = f"{'const ' if self.const else ''}{self.type} {'*' * self.stars}"
            yield None, f"({kind})crooked", "IOTHUB_ERR_MISALIGNED"
        if self.type in OBJECTS and not self.made():
            missing = "IOTHUB_ERR_NOT_INITIALIZED"
            yield None, f"&zeroed.{target}", missing
            yield f"memcpy(&other.{target}, &{target}, sizeof {target});", f"&other.{target}", missing
            yield f"memset(&{target}, 0xa5, sizeof {target});", f"&{target}", missing
            if self.type in ("iothub_client", "iothub_provisioning", "iothub_websocket", "iothub_key"):
                yield f"CHECK_EQ({self.type}_deinit(&{target}), IOTHUB_OK);", f"&{target}", missing
        if self.type in INPUTS and not self.made():
            for size in ("0", f"sizeof {target} - 1", "4097", "0xa5a5a5a5u"):
                yield f"{target}.struct_size = (uint32_t)({size});", f"&{target}", "IOTHUB_ERR_STRUCT_SIZE"
        if self.type == "iothub_property_iter" and target == "iter":
            yield "iter.rest.len--;", "&iter", "IOTHUB_ERR_NOT_INITIALIZED"
            yield "memset(&iter, 0, sizeof iter);", "&iter", "IOTHUB_ERR_NOT_INITIALIZED"
        if not self.made() and self.type in INSIDE:
            yield from INSIDE[self.type](target)

    def bad_value(self):
        if self.type in ("iothub_str", "iothub_bytes"):
            kind = "str" if self.type == "iothub_str" else "bytes"
            yield None, f"bad_{kind}(NULL, 1)", "IOTHUB_ERR_NULL"
            yield None, f"bad_{kind}(BAD_UTF8, SIZE_MAX)", "IOTHUB_ERR_BAD_LENGTH"
            if kind == "str":
                yield None, "bad_str(BAD_UTF8, 2)", "IOTHUB_ERR_BAD_UTF8"
            return
        if self.name in ZERO_SIZE:
            yield None, "0", ZERO_SIZE[self.name]
            if self.name == "tx_len":
                yield None, "64", ZERO_SIZE[self.name]
            elif self.name != "buffer_size":
                yield None, self.good() + " - 1", ZERO_SIZE[self.name]
        if self.name in BAD_NUMBER:
            yield (None, *BAD_NUMBER[self.name])
        lengths = ("memory_len", "capacity", "buffer_size", "tx_len", "path_len", "components_len", "window_len", "mqtt_len")
        if self.name in lengths or (self.name == "len" and self.function.endswith("input")):
            yield None, "SIZE_MAX", "IOTHUB_ERR_BAD_LENGTH"
        if self.name == "count" and self.function.endswith("confirm_transmit"):
            yield None, "1", "IOTHUB_ERR_BAD_CONFIRM"


def texts(*fields):
    def bad(target):
        for field in fields:
            yield f"{target}.{field} = bad_str(NULL, 1);", f"&{target}", "IOTHUB_ERR_NULL"
            yield f"{target}.{field} = bad_str(BAD_UTF8, SIZE_MAX);", f"&{target}", "IOTHUB_ERR_BAD_LENGTH"
            yield f"{target}.{field} = bad_str(BAD_UTF8, 2);", f"&{target}", "IOTHUB_ERR_BAD_UTF8"
    return bad


def config(target):
    names = ["host_name", "device_id", "module_id", "api_version", "product", "model_id"]
    yield from texts(*names)(target)
    for name in names:
        yield f"{target}.{name} = IOTHUB_STR(\"\");", f"&{target}", "IOTHUB_ERR_BAD_TEXT"
    for flag in ("clean_session", "auto_accept", "twin_sync", "stream_payloads"):
        yield f"{target}.{flag} = 2;", f"&{target}", "IOTHUB_ERR_BAD_VALUE"
    yield f"{target}.features = 0x20;", f"&{target}", "IOTHUB_ERR_BAD_VALUE"
    yield f"{target}.features = IOTHUB_FEATURE_INPUTS;", f"&{target}", "IOTHUB_ERR_WRONG_IDENTITY"
    for setting in ("keep_alive = 1178", "max_packet = 63", "packet_limit = 268435461u", "send_window = 0",
                    "connect_timeout_ms = 0", "subscribe_timeout_ms = 0", "ping_timeout_ms = 0", "puback_timeout_ms = 0",
                    "send_timeout_ms = 0", "request_timeout_ms = 0", "drain_timeout_ms = 0", "close_timeout_ms = 0"):
        yield f"{target}.{setting};", f"&{target}", "IOTHUB_ERR_BAD_SETTING"


def provisioning_config(target):
    names = ["id_scope", "registration_id", "api_version", "product"]
    yield from texts(*names)(target)
    for name in names:
        yield f"{target}.{name} = IOTHUB_STR(\"\");", f"&{target}", "IOTHUB_ERR_BAD_TEXT"
    yield f"{target}.payload = bad_bytes(NULL, 1);", f"&{target}", "IOTHUB_ERR_NULL"
    yield f"{target}.payload = bad_bytes(BAD_UTF8, SIZE_MAX);", f"&{target}", "IOTHUB_ERR_BAD_LENGTH"
    yield f"{target}.payload = IOTHUB_BYTES_STR(\"{{\");", f"&{target}", "IOTHUB_ERR_BAD_TEXT"
    for setting in ("keep_alive = 1178", "max_packet = 63", "deadline_ms = 0", "connect_timeout_ms = 0",
                    "request_timeout_ms = 0"):
        yield f"{target}.{setting};", f"&{target}", "IOTHUB_ERR_BAD_SETTING"


def upgrade(target):
    yield from texts("host", "path")(target)
    yield f"{target}.host = IOTHUB_STR(\"\");", f"&{target}", "IOTHUB_ERR_INVALID_STATE"
    yield f"{target}.no_client_certificate = 2;", f"&{target}", "IOTHUB_ERR_BAD_VALUE"


def storage(target):
    for memory, kind in (("tx", "uint8_t"), ("slots", "iothub_slot"), ("inbound", "iothub_inbound")):
        yield f"{target}.{memory} = NULL;", f"&{target}", "IOTHUB_ERR_NULL"
        yield f"{target}.{memory}_len = SIZE_MAX;", f"&{target}", "IOTHUB_ERR_BAD_LENGTH"
        if memory != "tx":
            yield f"{target}.{memory} = ({kind} *)crooked;", f"&{target}", "IOTHUB_ERR_MISALIGNED"
    yield f"{target}.tx_len = 0;", f"&{target}", "IOTHUB_ERR_TOO_LARGE"
    yield f"{target}.tx_len = 16;", f"&{target}", "IOTHUB_ERR_TOO_LARGE"
    yield f"{target}.inbound_len = 0;", f"&{target}", "IOTHUB_ERR_BAD_SETTING"


def telemetry(target):
    yield f"{target}.qos = 2;", f"&{target}", "IOTHUB_ERR_BAD_VALUE"
    yield f"{target}.payload = bad_bytes(NULL, 1);", f"&{target}", "IOTHUB_ERR_NULL"
    yield f"{target}.payload = bad_bytes(BAD_UTF8, SIZE_MAX);", f"&{target}", "IOTHUB_ERR_BAD_LENGTH"
    yield f"{target}.properties_len = 1;", f"&{target}", "IOTHUB_ERR_NULL"
    one = f"{target}.properties = &pair; {target}.properties_len = 1; "
    yield one + f"{target}.properties = (const iothub_property *)crooked;", f"&{target}", "IOTHUB_ERR_MISALIGNED"
    yield one + f"{target}.properties_len = SIZE_MAX;", f"&{target}", "IOTHUB_ERR_BAD_LENGTH"
    for part in ("name", "value"):
        for status, text in (("IOTHUB_ERR_NULL", "NULL, 1"), ("IOTHUB_ERR_BAD_LENGTH", "BAD_UTF8, SIZE_MAX"),
                             ("IOTHUB_ERR_BAD_UTF8", "BAD_UTF8, 2")):
            yield one + f"pair.{part} = bad_str({text});", f"&{target}", status
    yield one + "pair.name = IOTHUB_STR(\"\");", f"&{target}", "IOTHUB_ERR_BAD_TEXT"
    some = f"{target}.system = &system_properties; "
    yield some + f"{target}.system = (const iothub_system_properties *)crooked;", f"&{target}", "IOTHUB_ERR_MISALIGNED"
    yield some + "system_properties.struct_size--;", f"&{target}", "IOTHUB_ERR_STRUCT_SIZE"
    yield some + "system_properties.output = IOTHUB_STR(\"o\");", f"&{target}", "IOTHUB_ERR_WRONG_IDENTITY"
    for field in ("message_id", "operation"):
        yield some + f"system_properties.{field} = bad_str(NULL, 1);", f"&{target}", "IOTHUB_ERR_NULL"
        yield some + f"system_properties.{field} = bad_str(BAD_UTF8, 2);", f"&{target}", "IOTHUB_ERR_BAD_UTF8"


def connect(target):
    yield from texts("password")(target)
    yield f"{target}.will = (const iothub_telemetry *)crooked;", f"&{target}", "IOTHUB_ERR_MISALIGNED"
    yield f"{target}.will = &message; message.struct_size = 0;", f"&{target}", "IOTHUB_ERR_STRUCT_SIZE"
    yield f"{target}.will = &message; message.qos = 2;", f"&{target}", "IOTHUB_ERR_BAD_VALUE"


def resource(target):
    yield from texts("host", "id", "module_id")(target)
    for kind in ("0", "6"):
        yield f"{target}.kind = {kind};", f"&{target}", "IOTHUB_ERR_BAD_VALUE"


def request(target):
    yield from texts("id")(target)
    for connection in ("0", "2", "65537"):
        yield f"{target}.connection = {connection};", f"&{target}", "IOTHUB_ERR_STALE"


def kept(target):
    yield f"{target}.connection = 2;", f"&{target}", "IOTHUB_ERR_STALE"
    yield f"memset(&{target}, 0xff, sizeof {target});", f"&{target}", "IOTHUB_ERR_STALE"
    yield f"memset({target}.id, 0xff, sizeof {target}.id);", f"&{target}", "IOTHUB_ERR_BAD_UTF8"


def path(target):
    for status, text in (("IOTHUB_ERR_NULL", "NULL, 1"), ("IOTHUB_ERR_BAD_LENGTH", "BAD_UTF8, SIZE_MAX"),
                         ("IOTHUB_ERR_BAD_UTF8", "BAD_UTF8, 2")):
        yield f"{target} = bad_str({text});", f"&{target}", status


INSIDE = {"iothub_str": lambda target: path(target) if target == "path" else [],
          "iothub_config": config, "iothub_upgrade": upgrade, "iothub_provisioning_config": provisioning_config,
          "iothub_event_assigned": texts("host_name", "device_id"), "iothub_storage": storage, "iothub_telemetry": telemetry, "iothub_connect": connect,
          "iothub_resource": resource, "iothub_request": request,
          "iothub_kept_request": lambda target: kept(target) if target == "kept" else []}
ARRAYS = {"provisioning_tx", "window", "buffer", "data_in", "signature", "memory", "tokens", "text_in"}


def functions(header):
    code = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$", "", header, flags=re.S | re.M)
    for result, name, arguments in re.findall(r"^([\w \*]+?[ \*])(iothub_\w+)\(([^)]*)\);", code, flags=re.M):
        split = [] if arguments.strip() == "void" else [part.strip() for part in arguments.split(",")]
        yield result.strip(), name, [Parameter(name, part) for part in split]


def calls(name, result, parameters):
    """The C of one function: each line a call, alone in its world."""
    def call(changed=None, argument=None):
        arguments = [argument if p is changed else p.good() for p in parameters]
        if name.endswith("handle_input") and changed is not None and changed.input():
            arguments[3] = "len"
        return f"{name}({', '.join(arguments)})"

    def block(before, made, status):
        lines = ["    begin();"] + ([f"    {before}"] if before else [])
        if status == "WHATEVER":
            return lines + [f"    CHECK({made} >= 0);"]
        return lines + [f"    CHECK_EQ({made}, {status});"]

    good = GOOD.get(name, "IOTHUB_OK")
    yield from block(None, call(), good)
    outs = [p for p in parameters if p.stars > 0 and p.object() in CLEARED]
    tried = 0
    for parameter in parameters:
        for before, argument, status in parameter.bad():
            if name == "iothub_request_keep" and status == "IOTHUB_ERR_STALE":
                continue  # Only an answer can be out of date.
            yield from block(before, call(parameter, argument), (ALWAYS | ALWAYS_BUT_AFTER_FATAL).get(name, status))
            tried += 1
            for out in outs:
                if out is not parameter and status != "IOTHUB_ERR_BUFFER_TOO_SMALL":
                    explains = out.name == "error" and not name.endswith("_error")
                    yield f"    CHECK_EQ(error.status, {status});" if explains else f"    CHECK_ZEROED({out.object()});"
    for p in parameters:
        if p.type in MORTAL and not p.made() and not name.endswith("deinit"):
            yield from block(MORTAL[p.type], call(), ALWAYS.get(name, AFTER_FATAL.get(name, good)))
    if tried == 0:
        sys.exit(f"{name}: no bad input known")


CLEARED = {"error", "event", "pending", "retry", "property", "parsed", "kept_out", "iter_out", "text_out", "pointer_out",
           "space_out", "token_out", "name_out", "bytes_out", "wide_out", "desired_property"}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        header = file.read()
    found = list(functions(header))
    named = set(re.findall(r"\b(iothub_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
    missing = named - {name for _, name, _ in found}
    if missing:
        sys.exit(f"prototypes that cannot be read: {missing}")
    print('#include "bad_input.h"\n')
    for result, name, parameters in found:
        if not any(p.stars > 0 or p.type in ("iothub_str", "iothub_bytes") for p in parameters):
            continue  # Nothing can be wrong: tests/abi.c calls them.
        if name == "iothub_str_from":
            continue
        print(f"static void test_{name}(void)\n{{")
        print("\n".join(calls(name, result, parameters)))
        print("}\n")
    print("int main(void)\n{")
    for _, name, parameters in found:
        if name != "iothub_str_from" and any(p.stars > 0 or p.type in ("iothub_str", "iothub_bytes") for p in parameters):
            print(f"    test_{name}();")
    print("    return 0;\n}")


main()
