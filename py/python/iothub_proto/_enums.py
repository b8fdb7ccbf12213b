"""Names for what the machine tells: states, features, reasons."""

from enum import Enum, IntFlag, StrEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    MessageToken = NewType("MessageToken", int)
    TelemetryToken = NewType("TelemetryToken", int)
    TwinToken = NewType("TwinToken", int)
else:
    # Type checkers tell them apart; at run time the import of `typing` is not worth it.
    MessageToken = TelemetryToken = TwinToken = int


class State(Enum):
    """Where the connection is."""

    OFFLINE = "offline"
    """No connection. Commands are kept for the next one."""
    CONNECTING = "connecting"
    """CONNECT is on its way, or CONNACK is."""
    SUBSCRIBING = "subscribing"
    """CONNACK came; SUBACK has not. Messages may arrive already."""
    READY = "ready"
    """Everything works."""
    DRAINING = "draining"
    """`Client.disconnect` was called: what is in flight settles, nothing new is begun."""
    CLOSING = "closing"
    """DISCONNECT is on its way. Input is ignored."""
    FAILED = "failed"
    """The connection ended with a fatal error, which `Client.next_event` repeats until `Client.connect`."""


class Feature(IntFlag):
    """What the hub can send: each member is one topic filter in SUBSCRIBE."""

    NONE = 0
    MESSAGES = 1
    """Cloud-to-device messages. Devices only."""
    TWIN = 2
    """Answers to twin requests."""
    DESIRED = 4
    """Changes of the twin's desired section."""
    METHODS = 8
    """Direct methods."""
    INPUTS = 16
    """Messages routed to a module's inputs. Modules only."""
    ALL_DEVICE = MESSAGES | TWIN | DESIRED | METHODS
    ALL_MODULE = TWIN | DESIRED | METHODS | INPUTS


class TimeoutReason(StrEnum):
    """Which deadline is next, or which one has passed."""

    CONNACK = "connack"
    """No CONNACK. Fatal when it passes."""
    SUBACK = "suback"
    """No SUBACK. Fatal."""
    PINGRESP = "pingresp"
    """No PINGRESP. Fatal."""
    PUBACK = "puback"
    """No PUBACK came although messages wait for one. Fatal."""
    SEND = "send"
    """Bytes were waiting and none was taken. Fatal."""
    TWIN_SYNC = "twin_sync"
    """The GET of twin synchronisation has waited too long; it is sent again later."""
    TWIN_REFETCH = "twin_refetch"
    """The next GET of twin synchronisation is due."""
    CREDENTIAL = "credential"
    """The credential is about to expire."""
    DRAIN = "drain"
    """The polite disconnect has waited long enough for what is in flight."""
    CLOSE = "close"
    """DISCONNECT was not taken in time."""
    KEEP_ALIVE = "keep_alive"
    """A PINGREQ is due."""
    REQUEST = "request"
    """A twin request has waited too long, which ends that request only; or a request to the Device Provisioning
    Service, which is then sent again."""
    SUPPLY = "supply"
    """The next part of a message was not supplied. Fatal. Only clients in other languages send in parts."""
    POLL = "poll"
    """The Device Provisioning Service is to be asked again."""
    REGISTRATION = "registration"
    """The Device Provisioning Service has not assigned the device in time. Fatal."""


class Usage(StrEnum):
    """What was wrong with a call, or which memory is short. Nothing changed."""

    BAD_INSTANT = "bad_instant"
    """`now` is negative, not finite, or too large."""
    INVALID_STATE = "invalid_state"
    """The call is not legal in the present `State`."""
    STALE = "stale"
    """The token or request id belongs to an earlier connection, or was settled before."""
    NOT_SUBSCRIBED = "not_subscribed"
    """The feature was not subscribed, or the hub refused its filter."""
    BAD_CONFIRM = "bad_confirm"
    """More bytes were confirmed than lent. Does not happen with this binding."""
    RX_TOO_SMALL = "rx_too_small"
    """The receive buffer is too small. Does not happen with this binding."""
    TOPIC_TOO_LONG = "topic_too_long"
    """The topic with its properties is longer than MQTT allows, 65,535 bytes."""
    MESSAGE_TOO_LARGE = "message_too_large"
    """The message, or the answer to a method, is larger than the hub takes."""
    BAD_TEXT = "bad_text"
    """A text is empty where it may not be, too long, or has a character its field does not allow."""
    BAD_PATCH = "bad_patch"
    """A reported patch breaks a rule of device twins: see `LocalProtocolError.rule`."""
    WRONG_IDENTITY = "wrong_identity"
    """A feature of modules on a device, or the other way round."""
    BAD_SETTING = "bad_setting"
    """A setting is outside its range."""
    BAD_CONNECTION_STRING = "bad_connection_string"
    """The text is no connection string of a device or module."""
    BAD_KEY = "bad_key"
    """The text is no shared access key."""
    BAD_TWIN = "bad_twin"
    """The JSON is no twin document or patch."""
    IN_USE = "in_use"
    """Another thread, or a callback of the same call, is using this client."""
    TX_FULL = "tx_full"
    """The packet does not fit now. It will when something in flight is settled."""
    TOO_LARGE = "too_large"
    """The packet can never fit."""
    SLOTS_FULL = "slots_full"
    """As many commands are in flight as `Limits.commands` allows."""
    BUFFER_TOO_SMALL = "buffer_too_small"
    """A buffer is too small. Does not happen with this binding."""


class PatchRule(StrEnum):
    """A rule of device twins that a reported patch breaks."""

    JSON = "json"
    """It is not well-formed JSON."""
    NOT_AN_OBJECT = "not_an_object"
    """It is JSON, but not an object."""
    TOO_LARGE = "too_large"
    """It is larger than 32 KiB, counted as the hub counts it."""
    TOO_DEEP = "too_deep"
    """It is nested deeper than 10 levels."""
    BAD_KEY = "bad_key"
    """A key is empty, longer than 1 KiB, or has a control character, `.`, `$` or a space."""
    STRING_TOO_LONG = "string_too_long"
    """A string value is longer than 4 KiB."""
    INTEGER_OUT_OF_RANGE = "integer_out_of_range"
    """An integer is outside -4503599627370496 ... 4503599627370495."""
    NULL_IN_ARRAY = "null_in_array"
    """A `null` inside an array, where it can delete nothing."""


class Violation(StrEnum):
    """What the hub did wrong. The section is that of MQTT 3.1.1."""

    FORBIDDEN_TYPE = "forbidden_type"
    """A type that only clients send, a reserved one, or one of QoS 2 (2.2.1, 3.8.4)."""
    BAD_FLAGS = "bad_flags"
    """Reserved flag bits are wrong (2.2.2)."""
    BAD_QOS = "bad_qos"
    """QoS bits 11 (3.3.1.2)."""
    DUP_ON_QOS0 = "dup_on_qos0"
    """DUP on a QoS 0 PUBLISH (3.3.1.1)."""
    BAD_REMAINING_LENGTH = "bad_remaining_length"
    """A fifth length byte (2.2.3)."""
    WRONG_LENGTH = "wrong_length"
    """A Remaining Length that this packet type cannot have."""
    TOO_LARGE = "too_large"
    """Larger than `Settings.packet_limit`."""
    TRUNCATED = "truncated"
    """A field runs past the end of the packet."""
    ZERO_PACKET_ID = "zero_packet_id"
    """Packet identifier 0 (2.3.1)."""
    EMPTY_TOPIC = "empty_topic"
    """An empty topic name (4.7.3)."""
    BAD_UTF8 = "bad_utf8"
    """Ill-formed UTF-8, surrogates included (1.5.3)."""
    NUL_IN_TEXT = "nul_in_text"
    """U+0000 in a text (1.5.3)."""
    WILDCARD_IN_TOPIC = "wildcard_in_topic"
    """A wildcard in a topic name (3.3.2.1)."""
    EXPECTED_CONNACK = "expected_connack"
    """Something else before CONNACK (3.2), or a CONNACK before CONNECT was sent."""
    SECOND_CONNACK = "second_connack"
    """A second CONNACK (3.2)."""
    BAD_CONNACK_FLAGS = "bad_connack_flags"
    """CONNACK flags other than session-present (3.2.2.1)."""
    BAD_RETURN_CODE = "bad_return_code"
    """A reserved CONNACK return code (3.2.2.3)."""
    BAD_SESSION_PRESENT = "bad_session_present"
    """Session-present with a refusal, or after a clean session was asked for (3.2.2.2)."""
    BAD_SUBACK_CODE = "bad_suback_code"
    """A reserved SUBACK return code (3.9.3)."""
    SUBACK_COUNT = "suback_count"
    """SUBACK codes that do not match the filters in number (3.8.4)."""
    WRONG_ACK = "wrong_ack"
    """An acknowledgement of one kind for a packet of another."""


class DisconnectReason(StrEnum):
    """Why a connection is over."""

    REQUESTED = "requested"
    """`Client.disconnect` was called, and DISCONNECT is sent or was given up."""
    TRANSPORT_CLOSED = "transport_closed"
    """The transport ended. Over MQTT the hub gives no reason: see `Disconnected.last_sent`."""
    FAILED = "failed"
    """A fatal error: see `Disconnected.error`."""


class LastSent(StrEnum):
    """The last packet of which a byte was taken on a connection: what the hub may have objected to."""

    CONNECT = "connect"
    SUBSCRIBE = "subscribe"
    CONTROL = "control"
    """PUBACK or PINGREQ."""
    DISCONNECT = "disconnect"
    TELEMETRY = "telemetry"
    TWIN_REQUEST = "twin_request"
    """A twin request, the GET of synchronisation included."""
    METHOD_ANSWER = "method_answer"
    REGISTRATION = "registration"
    """A request to the Device Provisioning Service."""


class RegistrationFailure(StrEnum):
    """Why the Device Provisioning Service did not assign a device to a hub."""

    REFUSED = "refused"
    """It refused a request, and will again: 400, 401, 404, 409."""
    FAILED = "failed"
    """It tried and failed, for instance in a custom allocation policy."""
    DISABLED = "disabled"
    """The enrollment is disabled."""
    NOT_SUBSCRIBED = "not_subscribed"
    """It refused the subscription to its answers."""
    ANSWER_TOO_LARGE = "answer_too_large"
    """The answer is larger than `Settings.max_packet`."""
    BAD_ANSWER = "bad_answer"
    """The answer is no JSON, or lacks what belongs to it."""


class RequestFailure(StrEnum):
    """Why a twin request ended without success. It is not sent again."""

    STATUS = "status"
    """The hub answered with a status that is no success: 400, 429, 5xx."""
    TIMED_OUT = "timed_out"
    """No answer came in `Settings.request_timeout`."""
    CONNECTION_LOST = "connection_lost"
    """The connection ended after it was sent: the hub may have carried it out."""
    TOO_LARGE = "too_large"
    """The answer is larger than `Settings.max_packet`."""


class StreamKind(StrEnum):
    """Whose payload it is that comes in pieces."""

    MESSAGE = "message"
    METHOD_CALL = "method_call"
    TWIN_DOCUMENT = "twin_document"
    TWIN_DESIRED = "twin_desired"
    UNKNOWN = "unknown"
    """A topic outside the dialect."""


class Withdrawn(StrEnum):
    """What a withdrawn message had come to."""

    UNSENT = "unsent"
    """No byte of it has left: the hub will not get it."""
    MAYBE_SENT = "maybe_sent"
    """It was sent, in part or whole: the hub may have it."""


class RetryCause(StrEnum):
    """Why there is no connection, as far as the next delay is concerned."""

    LOST = "lost"
    """The link broke, or could not be made: TCP, TLS, a deadline, a protocol error, the hub closing it."""
    UNAVAILABLE = "unavailable"
    """The hub is unavailable or throttles: CONNACK 3, status 429."""
    UNAUTHORIZED = "unauthorized"
    """The credentials are wrong: CONNACK 4 and 5."""
    REJECTED = "rejected"
    """The hub does not take such clients: CONNACK 1 and 2."""


class Applied(StrEnum):
    """What became of a patch of a `TwinReplica`."""

    MERGED = "merged"
    """It was the next one, and is merged."""
    STALE = "stale"
    """The replica already has this version or a later one. Nothing changed."""
    GAP = "gap"
    """A patch before it is missing. Nothing changed: ask for the document, and make a new replica of it."""


class WebSocketState(Enum):
    """Where a WebSocket's connection is."""

    OFFLINE = "offline"
    """There is none."""
    UPGRADING = "upgrading"
    """The server is asked to upgrade."""
    OPEN = "open"
    """MQTT flows."""
    CLOSING = "closing"
    """One side has said that it is over. No MQTT leaves any more; the last word may still be sent or awaited."""
    CLOSED = "closed"
    """It is over: close the transport."""


class WebSocketFailure(StrEnum):
    """What ended a WebSocket. All but the first three break HTTP or RFC 6455."""

    REFUSED = "refused"
    """The upgrade was answered with another HTTP status than 101: see `WebSocketError.status`."""
    CLOSED = "closed"
    """The server closed the connection: see `WebSocketError.code`."""
    TIMED_OUT = "timed_out"
    """The upgrade was not answered in time."""
    BAD_STATUS_LINE = "bad_status_line"
    """The answer does not begin with `HTTP/1.` and a status: no web server."""
    BAD_HEADER = "bad_header"
    """A header line that is none, or one of the handshake's own that is too long or there twice."""
    RESPONSE_TOO_LARGE = "response_too_large"
    """The answer to the upgrade is too long."""
    NO_UPGRADE = "no_upgrade"
    """No `Upgrade: websocket`."""
    NO_CONNECTION_UPGRADE = "no_connection_upgrade"
    """No `Connection: upgrade`."""
    BAD_ACCEPT = "bad_accept"
    """`Sec-WebSocket-Accept` does not answer our key: a cache or another server answered."""
    UNEXPECTED_EXTENSION = "unexpected_extension"
    """An extension that was not asked for."""
    BAD_PROTOCOL = "bad_protocol"
    """The sub-protocol is missing or not `mqtt`."""
    RESERVED_BITS = "reserved_bits"
    """A reserved bit is set without an extension."""
    RESERVED_OPCODE = "reserved_opcode"
    """A reserved opcode."""
    MASKED = "masked"
    """A frame from a server is masked."""
    BAD_LENGTH = "bad_length"
    """A length above 2**63 - 1, or in more bytes than it needs."""
    TEXT_FRAME = "text_frame"
    """A text frame: MQTT goes in binary ones."""
    UNEXPECTED_CONTINUATION = "unexpected_continuation"
    """A continuation of nothing."""
    EXPECTED_CONTINUATION = "expected_continuation"
    """A new message inside a fragmented one."""
    FRAGMENTED_CONTROL = "fragmented_control"
    """A control frame in fragments."""
    LONG_CONTROL = "long_control"
    """A control frame with more than 125 bytes."""
    BAD_CLOSE = "bad_close"
    """A Close frame with half a code, a code that no endpoint may send, or a reason that is not UTF-8."""
