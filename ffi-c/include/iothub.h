/*
 * iothub.h: the device side of Azure IoT Hub's MQTT dialect as a state machine.
 *
 * Bytes and time go in, bytes and events come out. The library opens no socket, reads no clock, starts no thread, takes
 * no memory. Any transport can carry it; TLS is the transport's. What a driver does, complete:
 *
 *     // transport_send() gives how many bytes were taken, 0 when it is full; transport_receive() waits for bytes, or for room
 *     // to send if some are left, no longer than until the deadline, and gives their number, or -1 when the link is gone.
 *     static bool handle(iothub_client *client, const iothub_event *event)
 *     {
 *         switch (event->kind) {
 *         case IOTHUB_EVENT_READY: {
 *             iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
 *             message.payload = IOTHUB_BYTES_STR("{\"celsius\":21.5}");
 *             iothub_client_send_telemetry(client, clock_ms(), &message, NULL);
 *             return true;
 *         }
 *         case IOTHUB_EVENT_MESSAGE: // event->u.message.payload, .properties
 *             if (event->u.message.token != IOTHUB_TOKEN_NONE)
 *                 iothub_client_message_accept(client, clock_ms(), event->u.message.token);
 *             return true;
 *         case IOTHUB_EVENT_METHOD_CALL: // event->u.method_call.name, .payload
 *             iothub_client_method_respond(client, clock_ms(), &event->u.method_call.request, 200, IOTHUB_BYTES_STR("{}"));
 *             return true;
 *         case IOTHUB_EVENT_TWIN_DESIRED:
 *             apply(event->u.twin_desired.payload);
 *             return true;
 *         case IOTHUB_EVENT_CREDENTIAL_EXPIRING: // connect again with a new token; nothing is lost by that
 *             iothub_client_disconnect(client, clock_ms());
 *             return true;
 *         case IOTHUB_EVENT_DISCONNECTED: // event->u.disconnected.reason, .error, .last_sent
 *             return false;
 *         default:
 *             return true;
 *         }
 *     }
 *
 *     // One connection, from sign-in to its end, on a transport that is up.
 *     static void run(iothub_client *client, iothub_rx *rx, const iothub_connect *options)
 *     {
 *         bool up = iothub_client_connect(client, clock_ms(), options) == IOTHUB_OK;
 *         iothub_rx_clear(rx);
 *         while (up) {
 *             iothub_event event;
 *             const uint8_t *out;
 *             uint8_t *room;
 *             size_t room_len, sent;
 *             int32_t lent;
 *             ptrdiff_t received;
 *
 *             do
 *                 up = iothub_client_poll_event(client, clock_ms(), rx, &event) == IOTHUB_OK && handle(client, &event);
 *             while (up && event.kind != IOTHUB_EVENT_NONE);
 *             if (iothub_client_poll_timeout(client) <= clock_ms()) // behind the bytes that came in time
 *                 iothub_client_handle_timeout(client, clock_ms()); // what is fatal ends in IOTHUB_EVENT_DISCONNECTED
 *             while ((lent = iothub_client_poll_transmit(client, &out)) > 0 && (sent = transport_send(out, (size_t)lent)) > 0)
 *                 iothub_client_confirm_transmit(client, clock_ms(), sent);
 *             if (up && !iothub_client_has_event(client)) {
 *                 iothub_rx_space(rx, &room, &room_len);
 *                 received = transport_receive(room, room_len, iothub_client_poll_timeout(client));
 *                 if (received < 0)
 *                     iothub_client_handle_eof(client, clock_ms());
 *                 else
 *                     iothub_rx_commit(rx, (size_t)received);
 *             }
 *         }
 *     }
 *
 *     IOTHUB_STORAGE(storage, 2048, 8);
 *     static iothub_client client;
 *     static iothub_rx rx;
 *     static uint8_t rx_memory[4096];
 *
 *     // Once, at the start. `token` is a SAS token: iothub_key_token() makes one.
 *     static iothub_status start(iothub_connect *options, iothub_str token)
 *     {
 *         iothub_config config;
 *         iothub_config_init(&config, sizeof config);
 *         config.host_name = IOTHUB_STR("contoso.azure-devices.net");
 *         config.device_id = IOTHUB_STR("dev1");
 *         options->password = token;
 *         iothub_rx_init(&rx, sizeof rx, rx_memory, sizeof rx_memory);
 *         return iothub_client_init(&client, sizeof client, &config, &storage, NULL);
 *     }
 *
 * Rules:
 *
 * - Memory. Objects (iothub_client, iothub_provisioning, iothub_websocket, iothub_rx, iothub_key, iothub_backoff) stand where
 *   the caller places them, are made by their _init function, and are not copied or moved after that. What a pointer points to is the caller's, and copied or
 *   done with when the call returns, unless the function's comment says otherwise.
 * - Events. The pointers in an event point into the bytes that the caller gave. Every call is legal while they are used.
 * - Texts are UTF-8 with a length, not ended by NUL.
 * - Input structs begin with struct_size: make them with their _INIT macro or _init function.
 * - Results. 0 and above is success. Every out parameter (@param[out]) that is not NULL is written on every return, with
 *   zeros on failure. IOTHUB_ERR_ above -200 changed nothing: correct the call, or wait. Below, the connection is over
 *   (iothub_status_is_fatal()).
 * - Said once for all functions: IOTHUB_ERR_NULL for a pointer that is NULL and must not be; IOTHUB_ERR_MISALIGNED for one
 *   that is not aligned for its type; IOTHUB_ERR_NOT_INITIALIZED for an object that was not made by its _init function, has
 *   ended, or was copied or moved; IOTHUB_ERR_INTERNAL for a fault of the library, which was caught.
 * - Time is milliseconds on a monotonic clock of the caller's, in 64 bits; its zero is arbitrary. One earlier than the last
 *   counts as the last.
 * - Threads. One object, one thread at a time; different objects are independent. There is no global state.
 * - A constant or struct field is never renumbered or moved. A kind, reason or status that this header does not name may
 *   come from a later library: treat it as the unknown one of its family.
 *
 * Generated from the library's sources; see there to change it.
 * Licence: MIT or Apache 2.0, as you like.
 */

#ifndef IOTHUB_H
#define IOTHUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version of this header; iothub_version() is that of the library. */
#define IOTHUB_VERSION_MAJOR 0
#define IOTHUB_VERSION_MINOR 1
#define IOTHUB_VERSION_PATCH 0
#define IOTHUB_VERSION ((IOTHUB_VERSION_MAJOR << 16) | (IOTHUB_VERSION_MINOR << 8) | IOTHUB_VERSION_PATCH)
#define IOTHUB_VERSION_STRING "0.1.0"

#if UINTPTR_MAX > 0xffffffffu
#define IOTHUB_POINTER_64
#else
#define IOTHUB_POINTER_32
#endif

/** sizeof(iothub_client). */
#define IOTHUB_CLIENT_SIZE (8 * IOTHUB_CLIENT_WORDS)

/** An iothub_str of a literal, to initialise static memory with, and as an expression. */
#define IOTHUB_STR_INIT(literal) { "" literal, sizeof(literal) - 1 }
#ifdef __cplusplus
#define IOTHUB_STR(literal) (iothub_str IOTHUB_STR_INIT(literal))
#else
#define IOTHUB_STR(literal) ((iothub_str)IOTHUB_STR_INIT(literal))
#endif

/** An iothub_bytes of a pointer and a length, and of a literal. */
#ifdef __cplusplus
#define IOTHUB_BYTES(pointer, length) (iothub_bytes{ (const uint8_t *)(pointer), (length) })
#else
#define IOTHUB_BYTES(pointer, length) ((iothub_bytes){ (const uint8_t *)(pointer), (length) })
#endif
#define IOTHUB_BYTES_STR(literal) IOTHUB_BYTES("" literal, sizeof(literal) - 1)

/** What input structs are initialised with. */
#define IOTHUB_TELEMETRY_INIT { (uint32_t)sizeof(iothub_telemetry), IOTHUB_QOS_1, { NULL, 0 }, NULL, 0, NULL }
#define IOTHUB_CONNECT_INIT { (uint32_t)sizeof(iothub_connect), 0, { NULL, 0 }, NULL, 0, 0 }
#define IOTHUB_UPGRADE_INIT { (uint32_t)sizeof(iothub_upgrade), 30000, { NULL, 0 }, { NULL, 0 }, 0, { 0 }, { 0 } }
#define IOTHUB_RESOURCE_INIT(kind) { (uint32_t)sizeof(iothub_resource), (kind), { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }
#define IOTHUB_SYSTEM_PROPERTIES_INIT                                                                                    \
  { (uint32_t)sizeof(iothub_system_properties), { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 },         \
    { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 },              \
    { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/**
 * Static memory for one client, and `name`, an iothub_storage of it: tx_bytes for packets, slot_count commands in flight,
 * and 64 messages delivered and not acknowledged, of which the hub queues at most 50. IOTHUB_STORAGE_WITH takes that
 * number, too; each is 4 bytes.
 */
#define IOTHUB_STORAGE(name, tx_bytes, slot_count) IOTHUB_STORAGE_WITH(name, tx_bytes, slot_count, 64)
#define IOTHUB_STORAGE_WITH(name, tx_bytes, slot_count, inbound_count)                                                   \
  static uint8_t name##_tx[tx_bytes];                                                                                    \
  static iothub_slot name##_slots[slot_count];                                                                           \
  static iothub_inbound name##_inbound[inbound_count];                                                                   \
  static const iothub_storage name = { (uint32_t)sizeof(iothub_storage),                                                 \
                                       name##_tx, sizeof(name##_tx), name##_slots, (slot_count),                         \
                                       name##_inbound, (inbound_count) }

/**
 * No version of a twin is known.
 */
#define IOTHUB_VERSION_NONE UINT64_MAX

/**
 * No deadline.
 */
#define IOTHUB_NEVER UINT64_MAX

#if defined(IOTHUB_POINTER_64)
/**
 * Words of 8 bytes in an iothub_client.
 */
#define IOTHUB_CLIENT_WORDS 96
#endif

#if defined(IOTHUB_POINTER_32)
/**
 * Words of 8 bytes in an iothub_client.
 */
#define IOTHUB_CLIENT_WORDS 80
#endif

/**
 * A text field; `subject` of IOTHUB_ERR_BAD_TEXT.
 */
#define IOTHUB_FIELD_HOST_NAME 1

/**
 * The device id.
 */
#define IOTHUB_FIELD_DEVICE_ID 2

/**
 * The module id.
 */
#define IOTHUB_FIELD_MODULE_ID 3

/**
 * The service API version.
 */
#define IOTHUB_FIELD_API_VERSION 4

/**
 * The name of the product.
 */
#define IOTHUB_FIELD_PRODUCT 5

/**
 * The id of the IoT Plug and Play model.
 */
#define IOTHUB_FIELD_MODEL_ID 6

/**
 * The name of an application property.
 */
#define IOTHUB_FIELD_PROPERTY_NAME 7

/**
 * The password (SAS token).
 */
#define IOTHUB_FIELD_PASSWORD 8

/**
 * The request id of a direct method.
 */
#define IOTHUB_FIELD_REQUEST_ID 9

/**
 * The id scope of the Device Provisioning Service.
 */
#define IOTHUB_FIELD_ID_SCOPE 10

/**
 * The registration id of the Device Provisioning Service.
 */
#define IOTHUB_FIELD_REGISTRATION_ID 11

/**
 * The JSON that goes to the Device Provisioning Service.
 */
#define IOTHUB_FIELD_PAYLOAD 12

/**
 * The path of a WebSocket's address.
 */
#define IOTHUB_FIELD_PATH 13

/**
 * The query of a WebSocket's address.
 */
#define IOTHUB_FIELD_QUERY 14

/**
 * A setting; `subject` of IOTHUB_ERR_BAD_SETTING. This one: `keep_alive` is above 1177 s.
 */
#define IOTHUB_SETTING_KEEP_ALIVE 1

/**
 * `max_packet` is below 64 or above `packet_limit`.
 */
#define IOTHUB_SETTING_MAX_PACKET 2

/**
 * `packet_limit` is above 268,435,460.
 */
#define IOTHUB_SETTING_PACKET_LIMIT 3

/**
 * `send_window` is 0.
 */
#define IOTHUB_SETTING_SEND_WINDOW 4

/**
 * A timeout is 0.
 */
#define IOTHUB_SETTING_TIMEOUT 5

/**
 * More slots than MQTT has packet ids to give them.
 */
#define IOTHUB_SETTING_SLOTS 6

/**
 * No inbound record, or more than 65,535.
 */
#define IOTHUB_SETTING_INBOUND 7

/**
 * A rule of twins; `subject` of IOTHUB_ERR_BAD_PATCH. This one: the patch is not well-formed JSON.
 */
#define IOTHUB_PATCH_JSON 1

/**
 * It is not an object.
 */
#define IOTHUB_PATCH_NOT_AN_OBJECT 2

/**
 * It is larger than 32 KiB, counted as the hub counts it.
 */
#define IOTHUB_PATCH_TOO_LARGE 3

/**
 * It is nested deeper than 10 levels.
 */
#define IOTHUB_PATCH_TOO_DEEP 4

/**
 * A key is empty, longer than 1 KiB, or has a control character, `.`, `$` or a space.
 */
#define IOTHUB_PATCH_BAD_KEY 5

/**
 * A string value is longer than 4 KiB.
 */
#define IOTHUB_PATCH_STRING_TOO_LONG 6

/**
 * An integer is outside -4503599627370496 to 4503599627370495.
 */
#define IOTHUB_PATCH_INTEGER_OUT_OF_RANGE 7

/**
 * A `null` inside an array.
 */
#define IOTHUB_PATCH_NULL_IN_ARRAY 8

/**
 * What the server did wrong below MQTT; `subject` of IOTHUB_ERR_PEER_WEBSOCKET. Sections are those of RFC 6455, unless it says
 * otherwise. This one: the answer does not begin with `HTTP/1.` and a status, no web server (RFC 9112, section 4).
 */
#define IOTHUB_VIOLATION_BAD_STATUS_LINE 1

/**
 * A header line that is none, or one of the handshake's own that is too long or there twice (RFC 9112, section 5).
 */
#define IOTHUB_VIOLATION_BAD_HEADER 2

/**
 * The answer is longer than 8,192 bytes.
 */
#define IOTHUB_VIOLATION_RESPONSE_TOO_LARGE 3

/**
 * No `Upgrade: websocket` (section 4.1).
 */
#define IOTHUB_VIOLATION_NO_UPGRADE 4

/**
 * No `Connection: upgrade` (section 4.1).
 */
#define IOTHUB_VIOLATION_NO_CONNECTION_UPGRADE 5

/**
 * `Sec-WebSocket-Accept` is missing, or is not the answer to our key: a cache or another server answered (section 4.1).
 */
#define IOTHUB_VIOLATION_BAD_ACCEPT 6

/**
 * An extension that was not asked for (section 4.1).
 */
#define IOTHUB_VIOLATION_UNEXPECTED_EXTENSION 7

/**
 * The sub-protocol is missing or not `mqtt` (MQTT 3.1.1, section 6.0).
 */
#define IOTHUB_VIOLATION_BAD_PROTOCOL 8

/**
 * A reserved bit is set without an extension (section 5.2).
 */
#define IOTHUB_VIOLATION_RESERVED_BITS 9

/**
 * A reserved opcode (section 5.2).
 */
#define IOTHUB_VIOLATION_RESERVED_OPCODE 10

/**
 * A frame from a server is masked (section 5.1).
 */
#define IOTHUB_VIOLATION_MASKED 11

/**
 * A length above 2^63 - 1, or in more bytes than it needs (section 5.2).
 */
#define IOTHUB_VIOLATION_BAD_LENGTH 12

/**
 * A text frame: MQTT goes in binary ones (MQTT 3.1.1, section 6.0).
 */
#define IOTHUB_VIOLATION_TEXT_FRAME 13

/**
 * A continuation of nothing (section 5.4).
 */
#define IOTHUB_VIOLATION_UNEXPECTED_CONTINUATION 14

/**
 * A new message inside a fragmented one (section 5.4).
 */
#define IOTHUB_VIOLATION_EXPECTED_CONTINUATION 15

/**
 * A control frame in fragments (section 5.5).
 */
#define IOTHUB_VIOLATION_FRAGMENTED_CONTROL 16

/**
 * A control frame with more than 125 bytes (section 5.5).
 */
#define IOTHUB_VIOLATION_LONG_CONTROL 17

/**
 * A Close frame with half a code, a code that no endpoint may send, or a reason that is not UTF-8 (section 5.5.1).
 */
#define IOTHUB_VIOLATION_BAD_CLOSE 18

/**
 * What the hub can send, as bits: cloud-to-device messages. Devices only.
 */
#define IOTHUB_FEATURE_MESSAGES 1

/**
 * Answers to twin requests.
 */
#define IOTHUB_FEATURE_TWIN 2

/**
 * Changes of the twin's desired section.
 */
#define IOTHUB_FEATURE_DESIRED 4

/**
 * Direct methods.
 */
#define IOTHUB_FEATURE_METHODS 8

/**
 * Messages routed to the module's inputs. Modules only.
 */
#define IOTHUB_FEATURE_INPUTS 16

/**
 * In iothub_config only: all that this device or module can have.
 */
#define IOTHUB_FEATURE_ALL UINT32_MAX

/**
 * Nothing: feed more bytes when there are some.
 */
#define IOTHUB_EVENT_NONE 0

/**
 * `u.connected`: the hub accepted the connection. Messages may follow at once.
 */
#define IOTHUB_EVENT_CONNECTED 1

/**
 * `u.ready`: subscribed. Telemetry and twin requests leave from now on.
 */
#define IOTHUB_EVENT_READY 2

/**
 * `u.subscribed`: a later iothub_client_subscribe() was answered.
 */
#define IOTHUB_EVENT_SUBSCRIBED 3

/**
 * `u.telemetry_acked`: the hub has stored this QoS 1 message.
 */
#define IOTHUB_EVENT_TELEMETRY_ACKED 4

/**
 * `u.message`: a cloud-to-device message, or one routed to a module's input. With a token, accept or leave it.
 */
#define IOTHUB_EVENT_MESSAGE 5

/**
 * `u.method_call`: a direct method is called. Answer with iothub_client_method_respond(), now or later.
 */
#define IOTHUB_EVENT_METHOD_CALL 6

/**
 * `u.twin_document`: the whole twin.
 */
#define IOTHUB_EVENT_TWIN_DOCUMENT 7

/**
 * `u.twin_reported`: the hub has stored a reported patch.
 */
#define IOTHUB_EVENT_TWIN_REPORTED 8

/**
 * `u.twin_desired`: the desired section has changed.
 */
#define IOTHUB_EVENT_TWIN_DESIRED 9

/**
 * `u.request_failed`: a twin request ended without success.
 */
#define IOTHUB_EVENT_REQUEST_FAILED 10

/**
 * `u.request_failed`, without token and payload: twin synchronisation has given up on this connection. Patches come, but
 * unsynced.
 */
#define IOTHUB_EVENT_TWIN_SYNC_FAILED 11

/**
 * `u.skipped`: a PUBLISH larger than `max_packet` passes by. Its payload is not delivered.
 */
#define IOTHUB_EVENT_SKIPPED 12

/**
 * `u.message`: there is no inbound record left for it. It is not acknowledged, and comes again on a later connection.
 */
#define IOTHUB_EVENT_MESSAGE_LEFT 13

/**
 * `u.unknown`: a PUBLISH on a topic outside the dialect. It was acknowledged.
 */
#define IOTHUB_EVENT_UNKNOWN 14

/**
 * The credential ends soon: disconnect, then connect with a new one. Nothing is lost by that.
 */
#define IOTHUB_EVENT_CREDENTIAL_EXPIRING 15

/**
 * `u.disconnected`: the connection is over. Close the transport.
 */
#define IOTHUB_EVENT_DISCONNECTED 16

/**
 * `u.assigning`: the Device Provisioning Service works on it, and is asked again. Of iothub_provisioning only, as are the
 * next three.
 */
#define IOTHUB_EVENT_ASSIGNING 32

/**
 * `u.assigning`: the service has no time, or trouble of its own; the same is asked again.
 */
#define IOTHUB_EVENT_THROTTLED 33

/**
 * `u.assigned`: the device belongs to a hub. What follows is the polite end of this connection.
 */
#define IOTHUB_EVENT_ASSIGNED 34

/**
 * `u.refused`: the device was not assigned, and will not be by asking again. Fatal.
 */
#define IOTHUB_EVENT_REFUSED 35

/**
 * Something that this header does not know.
 */
#define IOTHUB_EVENT_OTHER 255

/**
 * Why a twin request ended: the hub answered with `http_status`, which is 400 for a bad patch, 429 when throttled, 5xx
 * for trouble of its own.
 */
#define IOTHUB_REQUEST_STATUS 1

/**
 * No answer came within `request_timeout_ms`.
 */
#define IOTHUB_REQUEST_TIMED_OUT 2

/**
 * The connection ended after it was sent: the hub may have carried it out.
 */
#define IOTHUB_REQUEST_CONNECTION_LOST 3

/**
 * The answer is larger than `max_packet`.
 */
#define IOTHUB_REQUEST_TOO_LARGE 4

/**
 * Why a connection ended: iothub_client_disconnect() was called.
 */
#define IOTHUB_DISCONNECT_REQUESTED 1

/**
 * The transport ended. Over MQTT the hub gives no reason: see `last_sent`.
 */
#define IOTHUB_DISCONNECT_TRANSPORT_CLOSED 2

/**
 * A fatal error: see `error`.
 */
#define IOTHUB_DISCONNECT_FAILED 3

/**
 * The last packet of which a byte was lent: nothing.
 */
#define IOTHUB_SENT_NOTHING 0

/**
 * CONNECT.
 */
#define IOTHUB_SENT_CONNECT 1

/**
 * SUBSCRIBE.
 */
#define IOTHUB_SENT_SUBSCRIBE 2

/**
 * PUBACK or PINGREQ.
 */
#define IOTHUB_SENT_CONTROL 3

/**
 * DISCONNECT.
 */
#define IOTHUB_SENT_DISCONNECT 4

/**
 * A telemetry message.
 */
#define IOTHUB_SENT_TELEMETRY 5

/**
 * A twin request.
 */
#define IOTHUB_SENT_TWIN_REQUEST 6

/**
 * The answer to a direct method.
 */
#define IOTHUB_SENT_METHOD_ANSWER 7

/**
 * A request to the Device Provisioning Service, by an iothub_provisioning only.
 */
#define IOTHUB_SENT_REGISTRATION 8

/**
 * `u.stream_begin`: a payload larger than `max_packet` begins. Pieces follow in order, without gaps and with nothing from
 * the hub between, and an end. Without that end it is void: forget what came of it. It ends so by
 * IOTHUB_EVENT_DISCONNECTED, and what answers iothub_client_twin_get() by the IOTHUB_EVENT_REQUEST_FAILED of that request.
 * Only with `stream_payloads`.
 */
#define IOTHUB_EVENT_STREAM_BEGIN 17

/**
 * `u.stream_piece`: the next bytes of that payload.
 */
#define IOTHUB_EVENT_STREAM_PIECE 18

/**
 * `u.stream_end`: that payload is whole.
 */
#define IOTHUB_EVENT_STREAM_END 19

/**
 * `u.part_wanted`: the next part of a message is wanted. Supply it with iothub_client_telemetry_part(); nothing else can
 * leave before.
 */
#define IOTHUB_EVENT_PART_WANTED 20

/**
 * Whose payload it is that comes in pieces: a cloud-to-device message's, or that of one routed to a module's input. With a
 * token at its end, accept or leave it.
 */
#define IOTHUB_STREAM_MESSAGE 1

/**
 * A direct method's. Answer it at once, or after its end as a kept request.
 */
#define IOTHUB_STREAM_METHOD_CALL 2

/**
 * The whole twin.
 */
#define IOTHUB_STREAM_TWIN_DOCUMENT 3

/**
 * A change of the desired section.
 */
#define IOTHUB_STREAM_TWIN_DESIRED 4

/**
 * That of a PUBLISH on a topic outside the dialect.
 */
#define IOTHUB_STREAM_UNKNOWN 5

/**
 * At most once: sent once, and perhaps lost. What a struct of zeros says.
 */
#define IOTHUB_QOS_0 0

/**
 * At least once: kept in `tx` until the hub has stored it. What IOTHUB_TELEMETRY_INIT says.
 */
#define IOTHUB_QOS_1 1

/**
 * No byte of the message had left: the hub will not get it.
 */
#define IOTHUB_WITHDRAWN_UNSENT 1

/**
 * It was sent, in part or whole: the hub may have it.
 */
#define IOTHUB_WITHDRAWN_MAYBE_SENT 2

/**
 * Bytes of a request id that can be kept. A UUID has 36.
 */
#define IOTHUB_KEPT_REQUEST_MAX 47

/**
 * `system` of an application property.
 */
#define IOTHUB_SYSTEM_NONE 0

/**
 * `$.mid`: message id. The meaning of all of these is in iothub_system_properties.
 */
#define IOTHUB_SYSTEM_MESSAGE_ID 1

/**
 * `$.cid`.
 */
#define IOTHUB_SYSTEM_CORRELATION_ID 2

/**
 * `$.uid`.
 */
#define IOTHUB_SYSTEM_USER_ID 3

/**
 * `$.to`. On every cloud-to-device message: `/devices/{id}/messages/deviceBound`; letter case varies.
 */
#define IOTHUB_SYSTEM_TO 4

/**
 * `$.ct`.
 */
#define IOTHUB_SYSTEM_CONTENT_TYPE 5

/**
 * `$.ce`.
 */
#define IOTHUB_SYSTEM_CONTENT_ENCODING 6

/**
 * `$.exp`.
 */
#define IOTHUB_SYSTEM_EXPIRY 7

/**
 * `$.ctime`.
 */
#define IOTHUB_SYSTEM_CREATION_TIME 8

/**
 * `$.on`.
 */
#define IOTHUB_SYSTEM_OUTPUT 9

/**
 * `$.ifid`.
 */
#define IOTHUB_SYSTEM_INTERFACE_ID 10

/**
 * `$.schema`.
 */
#define IOTHUB_SYSTEM_SCHEMA 11

/**
 * `$.sub`.
 */
#define IOTHUB_SYSTEM_COMPONENT 12

/**
 * `$.cdid`.
 */
#define IOTHUB_SYSTEM_CONNECTION_DEVICE_ID 13

/**
 * `$.cmid`.
 */
#define IOTHUB_SYSTEM_CONNECTION_MODULE_ID 14

/**
 * `$.diagid`.
 */
#define IOTHUB_SYSTEM_DIAGNOSTIC_ID 15

/**
 * `$.diagctx`.
 */
#define IOTHUB_SYSTEM_DIAGNOSTIC_CONTEXT 16

/**
 * `iothub-ack`.
 */
#define IOTHUB_SYSTEM_ACK 17

/**
 * `iothub-operation`.
 */
#define IOTHUB_SYSTEM_OPERATION 18

/**
 * A whole twin, the answer to GET: its desired section is split.
 */
#define IOTHUB_DESIRED_DOCUMENT 1

/**
 * A patch of desired properties.
 */
#define IOTHUB_DESIRED_PATCH 2

/**
 * `code` of an acknowledgement: the value is applied.
 */
#define IOTHUB_ACK_APPLIED 200

/**
 * It is being applied; another acknowledgement follows.
 */
#define IOTHUB_ACK_IN_PROGRESS 202

/**
 * The value is the device's own, as nobody has desired one yet; `version` is 0.
 */
#define IOTHUB_ACK_DEFAULT 203

/**
 * The value is not acceptable.
 */
#define IOTHUB_ACK_REJECTED 400

/**
 * It could not be applied.
 */
#define IOTHUB_ACK_FAILED 500

/**
 * Where the connection is. This: no connection. Commands are kept for the next one.
 */
#define IOTHUB_STATE_OFFLINE 0

/**
 * CONNECT is on its way, or CONNACK is.
 */
#define IOTHUB_STATE_CONNECTING 1

/**
 * CONNACK came; SUBACK has not. Messages may arrive already.
 */
#define IOTHUB_STATE_SUBSCRIBING 2

/**
 * Everything works.
 */
#define IOTHUB_STATE_READY 3

/**
 * iothub_client_disconnect() was called: what is in flight settles, nothing new is begun.
 */
#define IOTHUB_STATE_DRAINING 4

/**
 * DISCONNECT is on its way. Input is ignored.
 */
#define IOTHUB_STATE_CLOSING 5

/**
 * The connection ended with a fatal error, which is repeated until iothub_client_connect().
 */
#define IOTHUB_STATE_FAILED 6

/**
 * What the next deadline is about: there is none.
 */
#define IOTHUB_TIMEOUT_NONE 0

/**
 * No CONNACK. Fatal when it passes.
 */
#define IOTHUB_TIMEOUT_CONNACK 1

/**
 * No SUBACK. Fatal.
 */
#define IOTHUB_TIMEOUT_SUBACK 2

/**
 * No PINGRESP. Fatal.
 */
#define IOTHUB_TIMEOUT_PINGRESP 3

/**
 * No PUBACK although messages wait for one. Fatal.
 */
#define IOTHUB_TIMEOUT_PUBACK 4

/**
 * Bytes are waiting and none is confirmed. Fatal.
 */
#define IOTHUB_TIMEOUT_SEND 5

/**
 * The GET of twin synchronisation has waited too long; it is sent again later.
 */
#define IOTHUB_TIMEOUT_TWIN_SYNC 6

/**
 * The next GET of twin synchronisation is due.
 */
#define IOTHUB_TIMEOUT_TWIN_REFETCH 7

/**
 * The credential is about to expire.
 */
#define IOTHUB_TIMEOUT_CREDENTIAL 8

/**
 * The polite disconnect has waited long enough for what is in flight.
 */
#define IOTHUB_TIMEOUT_DRAIN 9

/**
 * DISCONNECT was not confirmed in time.
 */
#define IOTHUB_TIMEOUT_CLOSE 10

/**
 * A PINGREQ is due.
 */
#define IOTHUB_TIMEOUT_KEEP_ALIVE 11

/**
 * A twin request has waited too long. Ends that request only.
 */
#define IOTHUB_TIMEOUT_REQUEST 12

/**
 * The Device Provisioning Service is to be asked again. Of iothub_provisioning only.
 */
#define IOTHUB_TIMEOUT_POLL 13

/**
 * The Device Provisioning Service has not assigned the device in time. Of iothub_provisioning only; fatal.
 */
#define IOTHUB_TIMEOUT_REGISTRATION 14

/**
 * The application did not supply the next part of a message, half of which was sent. Fatal.
 */
#define IOTHUB_TIMEOUT_SUPPLY 15

/**
 * A key of a connection string; `subject` of IOTHUB_ERR_STRING_*. This one: HostName.
 */
#define IOTHUB_KEY_HOST_NAME 1

/**
 * DeviceId.
 */
#define IOTHUB_KEY_DEVICE_ID 2

/**
 * ModuleId.
 */
#define IOTHUB_KEY_MODULE_ID 3

/**
 * SharedAccessKey.
 */
#define IOTHUB_KEY_SHARED_ACCESS_KEY 4

/**
 * SharedAccessKeyName.
 */
#define IOTHUB_KEY_SHARED_ACCESS_KEY_NAME 5

/**
 * SharedAccessSignature.
 */
#define IOTHUB_KEY_SHARED_ACCESS_SIGNATURE 6

/**
 * GatewayHostName.
 */
#define IOTHUB_KEY_GATEWAY_HOST_NAME 7

/**
 * x509, or X509Cert.
 */
#define IOTHUB_KEY_X509 8

/**
 * UseProvisioning.
 */
#define IOTHUB_KEY_USE_PROVISIONING 9

/**
 * How the device authenticates: with `key`, which signs tokens.
 */
#define IOTHUB_CREDENTIAL_KEY 1

/**
 * With `token`, the password of CONNECT as it is.
 */
#define IOTHUB_CREDENTIAL_TOKEN 2

/**
 * With the client certificate of the TLS connection. CONNECT has no password.
 */
#define IOTHUB_CREDENTIAL_X509 3

/**
 * What a token grants access to. This: all of a hub. `host` is its host name; the key is that of a hub policy.
 */
#define IOTHUB_RESOURCE_HUB 1

/**
 * A device. `host` is the hub's host name, also behind a gateway; `id` the device id.
 */
#define IOTHUB_RESOURCE_DEVICE 2

/**
 * A module: as a device, with `module_id`.
 */
#define IOTHUB_RESOURCE_MODULE 3

/**
 * A registration of the Device Provisioning Service. `host` is the id scope, `id` the registration id; the key name is
 * `registration`.
 */
#define IOTHUB_RESOURCE_REGISTRATION 4

/**
 * `host` is a URI that is encoded already: it is signed and sent as it is.
 */
#define IOTHUB_RESOURCE_ENCODED 5

/**
 * Bytes of a derived device key in base64.
 */
#define IOTHUB_DERIVED_KEY_LEN 44

/**
 * Why there is no connection: the link broke, or could not be made.
 */
#define IOTHUB_RETRY_LOST 1

/**
 * The hub is unavailable or throttles.
 */
#define IOTHUB_RETRY_UNAVAILABLE 2

/**
 * The credentials are wrong. A token may have expired, a clock may be wrong.
 */
#define IOTHUB_RETRY_UNAUTHORIZED 3

/**
 * The hub does not take such clients: without another build or configuration, trying again makes no sense.
 */
#define IOTHUB_RETRY_REJECTED 4

#if defined(IOTHUB_POINTER_64)
/**
 * Words of 8 bytes in an iothub_provisioning.
 */
#define IOTHUB_PROVISIONING_WORDS 104
#endif

#if defined(IOTHUB_POINTER_32)
/**
 * Words of 8 bytes in an iothub_provisioning.
 */
#define IOTHUB_PROVISIONING_WORDS 88
#endif

/**
 * Where a WebSocket is. This: there is no connection.
 */
#define IOTHUB_WEBSOCKET_OFFLINE 0

/**
 * The server is asked to upgrade.
 */
#define IOTHUB_WEBSOCKET_UPGRADING 1

/**
 * MQTT flows.
 */
#define IOTHUB_WEBSOCKET_OPEN 2

/**
 * One side has said that it is over. The last word may still be sent or awaited.
 */
#define IOTHUB_WEBSOCKET_CLOSING 3

/**
 * It is over: close the transport, and tell the client above by its _handle_eof(). After iothub_websocket_handle_eof() it is
 * IOTHUB_WEBSOCKET_OFFLINE.
 */
#define IOTHUB_WEBSOCKET_CLOSED 4

#if defined(IOTHUB_POINTER_64)
/**
 * Words of 8 bytes in an iothub_websocket.
 */
#define IOTHUB_WEBSOCKET_WORDS 64
#endif

#if defined(IOTHUB_POINTER_32)
/**
 * Words of 8 bytes in an iothub_websocket.
 */
#define IOTHUB_WEBSOCKET_WORDS 60
#endif

/**
 * A text: UTF-8, not ended by NUL. `ptr` NULL with `len` 0 means that there is none; a text of length 0 elsewhere is
 * an empty one.
 */
typedef struct iothub_str {
  /**
   * The first byte, or NULL.
   */
  const char *ptr;
  /**
   * Bytes.
   */
  size_t len;
} iothub_str;

/**
 * What a call gives: IOTHUB_OK, a count where the function says so, or a negative IOTHUB_ERR_*.
 */
typedef int32_t iothub_status;

/**
 * A device or module, in memory of the caller's: static, on a stack or on a heap, zeroed or not. Opaque. It must not be
 * copied or moved; it ends with iothub_client_deinit().
 */
typedef struct iothub_client {
  /**
   * Not for the caller.
   */
  uint64_t opaque[IOTHUB_CLIENT_WORDS];
} iothub_client;

/**
 * What is behind a status. What a status has nothing to say about is 0; what is above UINT32_MAX counts as that.
 */
typedef struct iothub_error {
  /**
   * The status.
   */
  iothub_status status;
  /**
   * BAD_TEXT: an IOTHUB_FIELD_*. BAD_SETTING: an IOTHUB_SETTING_*. BAD_PATCH: an IOTHUB_PATCH_*. STRING_MISSING,
   * _DUPLICATE, _EMPTY, _BAD_VALUE, _UNSUPPORTED: an IOTHUB_KEY_*. PEER: the first byte of the packet. For a WebSocket as
   * its statuses say.
   */
  uint32_t subject;
  /**
   * BAD_TEXT, STRING_BASE64, STRING_SEGMENT, STRING_CHARACTER, KEY_BASE64: offset of the first wrong byte of the
   * text, or the limit for one that is too long. PEER: offset of the wrong byte from the start of the packet.
   */
  uint32_t offset;
  /**
   * TX_FULL, TOO_LARGE, BUFFER_TOO_SMALL, RX_TOO_SMALL: bytes needed. TOPIC_TOO_LONG, MESSAGE_TOO_LARGE,
   * KEY_TOO_LONG: bytes there are. BAD_CONFIRM: bytes confirmed.
   */
  uint32_t needed;
  /**
   * TX_FULL: bytes of the largest packet that fits now. TOO_LARGE, RX_TOO_SMALL: bytes there are at most.
   * MESSAGE_TOO_LARGE: the hub's limit. BAD_CONFIRM: bytes lent.
   */
  uint32_t available;
} iothub_error;

/**
 * Who signs in, and how the machine behaves. iothub_config_init() fills it in; then set `host_name` and `device_id`, and
 * what else should differ. Durations are milliseconds, at most 49.7 days.
 */
typedef struct iothub_config {
  /**
   * sizeof(iothub_config); set by iothub_config_init().
   */
  uint32_t struct_size;
  /**
   * What to subscribe after each connect: IOTHUB_FEATURE_* bits. Default IOTHUB_FEATURE_ALL.
   */
  uint32_t features;
  /**
   * The hub's own host name, also when connecting through a gateway. 1 to 253 bytes.
   */
  struct iothub_str host_name;
  /**
   * The device id, case-sensitive. 1 to 128 bytes: ASCII letters, digits and `- . % _ * ? ! ( ) , = @ $ ' : ;`.
   */
  struct iothub_str device_id;
  /**
   * The module id; none (NULL) for a device. 1 to 128 bytes, as the device id.
   */
  struct iothub_str module_id;
  /**
   * The service API version, 1 to 32 bytes; none (NULL) for the library's, 2021-04-12.
   */
  struct iothub_str api_version;
  /**
   * Name and version of the product, 1 to 1,024 bytes; none (NULL) for this library's.
   */
  struct iothub_str product;
  /**
   * The IoT Plug and Play model that the device implements, 1 to 4,096 bytes; none (NULL) without one.
   */
  struct iothub_str model_id;
  /**
   * Seconds of silence after which the hub may give the device up (times 1.5). 0: none; at most 1177. Default 240.
   */
  uint16_t keep_alive;
  /**
   * QoS 1 messages on their way at once. At least 1; default 65,535, so that memory is the limit.
   */
  uint16_t send_window;
  /**
   * 1: ask for a clean session: the hub discards what it queued. Default 0.
   */
  uint8_t clean_session;
  /**
   * 1: accept each message at the input call after the one that delivered it. Default 0.
   */
  uint8_t auto_accept;
  /**
   * 1: fetch the twin after each connect and whenever a desired patch was missed, as soon as both of its features are
   * subscribed. Default 1.
   */
  uint8_t twin_sync;
  /**
   * 1: deliver the payloads of PUBLISHes larger than `max_packet` in pieces: IOTHUB_EVENT_STREAM_BEGIN and so on. Only
   * in a library built with the feature `stream`; another gives IOTHUB_ERR_BAD_VALUE. Default 0.
   */
  uint8_t stream_payloads;
  /**
   * Bytes of the largest packet the receive buffer holds. Larger PUBLISHes are skipped as they arrive, and reported. 64
   * to `packet_limit`; default 4096.
   */
  uint32_t max_packet;
  /**
   * Bytes of the largest packet at all: a larger one is a protocol error. At most 268,435,460; default 1 MiB.
   */
  uint32_t packet_limit;
  /**
   * Bytes kept for CONNECT, out of `tx`. 0, the default: as much as this identity needs with a SAS token signed by its
   * own key, and no will.
   */
  uint32_t connect_reserve;
  /**
   * From the last byte of CONNECT to CONNACK. Default 30,000.
   */
  uint32_t connect_timeout_ms;
  /**
   * From the last byte of SUBSCRIBE to SUBACK. Default 30,000.
   */
  uint32_t subscribe_timeout_ms;
  /**
   * From PINGREQ to PINGRESP. Default 30,000.
   */
  uint32_t ping_timeout_ms;
  /**
   * Without any PUBACK while messages wait for one. Default 120,000: the hub shapes traffic by delaying.
   */
  uint32_t puback_timeout_ms;
  /**
   * Without any byte confirmed while bytes wait. Default 60,000.
   */
  uint32_t send_timeout_ms;
  /**
   * For a twin request to be answered, counted anew when it is sent. Default 60,000.
   */
  uint32_t request_timeout_ms;
  /**
   * For a polite disconnect to settle what is in flight. Default 5,000.
   */
  uint32_t drain_timeout_ms;
  /**
   * For DISCONNECT to be confirmed. Default 2,000.
   */
  uint32_t close_timeout_ms;
  /**
   * How long before its end a credential is reported as expiring; jitter of the same length is added, and it is never
   * more than a quarter of the lifetime. Default 300,000.
   */
  uint32_t credential_margin_ms;
} iothub_config;

/**
 * A record of one command in flight: a telemetry message, a twin request, a method answer. Opaque.
 */
typedef struct iothub_slot {
  /**
   * Not for the caller.
   */
  uint64_t opaque[5];
} iothub_slot;

/**
 * A record of one message delivered and not yet acknowledged. Opaque.
 */
typedef struct iothub_inbound {
  /**
   * Not for the caller.
   */
  uint16_t opaque[2];
} iothub_inbound;

/**
 * The memory a client works in; IOTHUB_STORAGE() makes static one. All of it must live as long as the client and is the
 * client's alone. It need not be zeroed.
 */
typedef struct iothub_storage {
  /**
   * sizeof(iothub_storage).
   */
  uint32_t struct_size;
  /**
   * Encoded packets, kept until they are acknowledged. Its front is a reserve for the handshake.
   */
  uint8_t *tx;
  /**
   * Bytes.
   */
  size_t tx_len;
  /**
   * One for each command in flight: telemetry, twin request, method answer.
   */
  struct iothub_slot *slots;
  /**
   * Records; below 65,535.
   */
  size_t slots_len;
  /**
   * One for each message delivered and not yet acknowledged. The hub queues at most 50.
   */
  struct iothub_inbound *inbound;
  /**
   * Records; 1 to 65,535.
   */
  size_t inbound_len;
} iothub_storage;

/**
 * Any bytes. `ptr` may be NULL if `len` is 0.
 */
typedef struct iothub_bytes {
  /**
   * The first byte, or NULL.
   */
  const uint8_t *ptr;
  /**
   * Bytes.
   */
  size_t len;
} iothub_bytes;

/**
 * One application property to send: both texts as they are, neither NULL.
 */
typedef struct iothub_property {
  /**
   * Its name, not empty.
   */
  struct iothub_str name;
  /**
   * Its value.
   */
  struct iothub_str value;
} iothub_property;

/**
 * The properties that the hub knows, to be sent as they are. None (NULL) sends none, an empty text an empty value. Make
 * it with IOTHUB_SYSTEM_PROPERTIES_INIT.
 */
typedef struct iothub_system_properties {
  /**
   * sizeof(iothub_system_properties).
   */
  uint32_t struct_size;
  /**
   * `$.mid`: message id, at most 128 ASCII characters.
   */
  struct iothub_str message_id;
  /**
   * `$.cid`: correlation id.
   */
  struct iothub_str correlation_id;
  /**
   * `$.uid`: user id.
   */
  struct iothub_str user_id;
  /**
   * `$.to`: destination.
   */
  struct iothub_str to;
  /**
   * `$.ct`: content type. The hub routes by body only with `application/json`.
   */
  struct iothub_str content_type;
  /**
   * `$.ce`: content encoding. The hub routes by body only with `utf-8`, `utf-16` or `utf-32`.
   */
  struct iothub_str content_encoding;
  /**
   * `$.exp`: absolute expiry time, ISO 8601.
   */
  struct iothub_str expiry;
  /**
   * `$.ctime`: creation time, ISO 8601.
   */
  struct iothub_str creation_time;
  /**
   * `$.on`: the output of a module.
   */
  struct iothub_str output;
  /**
   * `$.ifid`: interface id, of security messages.
   */
  struct iothub_str interface_id;
  /**
   * `$.schema`: message schema, on IoT Edge.
   */
  struct iothub_str schema;
  /**
   * `$.sub`: the component of an IoT Plug and Play device that the message is from.
   */
  struct iothub_str component;
  /**
   * `$.cdid`: the device that sent the message to a module's input.
   */
  struct iothub_str connection_device_id;
  /**
   * `$.cmid`: the module that sent the message to a module's input.
   */
  struct iothub_str connection_module_id;
  /**
   * `$.diagid`: id of a distributed trace.
   */
  struct iothub_str diagnostic_id;
  /**
   * `$.diagctx`: context of a distributed trace, `creationtimeutc=...`.
   */
  struct iothub_str diagnostic_context;
  /**
   * `iothub-ack`: the feedback that the sender of a cloud-to-device message wants.
   */
  struct iothub_str ack;
  /**
   * `iothub-operation`: operation, of a cloud-to-device message.
   */
  struct iothub_str operation;
} iothub_system_properties;

/**
 * One device-to-cloud message. Make it with IOTHUB_TELEMETRY_INIT: QoS 1, no body, no properties. Nothing of it is used
 * after the call that it is given to.
 */
typedef struct iothub_telemetry {
  /**
   * sizeof(iothub_telemetry).
   */
  uint32_t struct_size;
  /**
   * IOTHUB_QOS_0 or IOTHUB_QOS_1.
   */
  uint32_t qos;
  /**
   * The body: any bytes, also none. With the properties at most 256 KiB.
   */
  struct iothub_bytes payload;
  /**
   * Properties of the application, in this order. NULL if there are none.
   */
  const struct iothub_property *properties;
  /**
   * How many.
   */
  size_t properties_len;
  /**
   * Properties that the hub knows, or NULL.
   */
  const struct iothub_system_properties *system;
} iothub_telemetry;

/**
 * What one connection signs in with. Make it with IOTHUB_CONNECT_INIT. Nothing of it is used after the call.
 */
typedef struct iothub_connect {
  /**
   * sizeof(iothub_connect).
   */
  uint32_t struct_size;
  /**
   * How long the credential is valid from now on, in milliseconds: IOTHUB_EVENT_CREDENTIAL_EXPIRING comes before its
   * end. 0: it does not expire.
   */
  uint32_t lifetime_ms;
  /**
   * The SAS token; none (NULL) with X.509.
   */
  struct iothub_str password;
  /**
   * What the hub publishes as telemetry of this device if the connection ends without DISCONNECT, or NULL. It makes
   * CONNECT larger: see `connect_reserve` of iothub_config.
   */
  const struct iothub_telemetry *will;
  /**
   * Any random number, for jitter: a fleet must not renew at the same moment.
   */
  uint32_t random;
  /**
   * 0.
   */
  uint32_t reserved;
} iothub_connect;

/**
 * IOTHUB_EVENT_CONNECTED.
 */
typedef struct iothub_event_connected {
  /**
   * Whether the hub had kept this device's session.
   */
  bool session_present;
} iothub_event_connected;

/**
 * IOTHUB_EVENT_READY and IOTHUB_EVENT_SUBSCRIBED.
 */
typedef struct iothub_event_subscribed {
  /**
   * What was asked for, as IOTHUB_FEATURE_* bits. 0 with READY.
   */
  uint32_t features;
  /**
   * What the hub refused. Commands that need it give IOTHUB_ERR_NOT_SUBSCRIBED.
   */
  uint32_t refused;
} iothub_event_subscribed;

/**
 * Names a telemetry message, a twin request or a message from the hub. Tokens may be kept and compared for equality;
 * one that is out of date is refused as IOTHUB_ERR_STALE, never mistaken for another.
 */
typedef uint32_t iothub_token;

/**
 * IOTHUB_EVENT_TELEMETRY_ACKED.
 */
typedef struct iothub_event_acked {
  /**
   * What iothub_client_send_telemetry() gave.
   */
  iothub_token token;
} iothub_event_acked;

/**
 * IOTHUB_EVENT_MESSAGE and IOTHUB_EVENT_MESSAGE_LEFT.
 */
typedef struct iothub_event_message {
  /**
   * What to accept or leave; IOTHUB_TOKEN_NONE at QoS 0 and with MESSAGE_LEFT.
   */
  iothub_token token;
  /**
   * It may have been delivered before (DUP).
   */
  bool redelivered;
  /**
   * The module's input it came through; none (NULL) for a cloud-to-device message.
   */
  struct iothub_str input;
  /**
   * The property bag as it came; read it with iothub_properties_iter().
   */
  struct iothub_str properties;
  /**
   * Its body.
   */
  struct iothub_bytes payload;
} iothub_event_message;

/**
 * What the answer to a direct method names: the hub's `$rid` and the connection it came on. It points into the bytes of
 * its event.
 */
typedef struct iothub_request {
  /**
   * The id as the hub gave it.
   */
  struct iothub_str id;
  /**
   * The number of the connection; above 0.
   */
  uint32_t connection;
} iothub_request;

/**
 * IOTHUB_EVENT_METHOD_CALL.
 */
typedef struct iothub_event_method_call {
  /**
   * Its name.
   */
  struct iothub_str name;
  /**
   * The caller's payload: JSON, or nothing.
   */
  struct iothub_bytes payload;
  /**
   * What the answer names. iothub_request_keep() it to answer later.
   */
  struct iothub_request request;
} iothub_event_method_call;

/**
 * IOTHUB_EVENT_TWIN_DOCUMENT.
 */
typedef struct iothub_event_twin_document {
  /**
   * `desired.$version`, or IOTHUB_VERSION_NONE if it could not be read.
   */
  uint64_t version;
  /**
   * The request it answers; IOTHUB_TOKEN_NONE if twin synchronisation fetched it.
   */
  iothub_token token;
  /**
   * Older than what was delivered before: do not apply it.
   */
  bool stale;
  /**
   * `{"desired":{...},"reported":{...}}`.
   */
  struct iothub_bytes payload;
} iothub_event_twin_document;

/**
 * IOTHUB_EVENT_TWIN_REPORTED.
 */
typedef struct iothub_event_twin_reported {
  /**
   * The new version of the reported section, or IOTHUB_VERSION_NONE.
   */
  uint64_t version;
  /**
   * The request it answers.
   */
  iothub_token token;
} iothub_event_twin_reported;

/**
 * IOTHUB_EVENT_TWIN_DESIRED.
 */
typedef struct iothub_event_twin_desired {
  /**
   * The new version of the desired section, or IOTHUB_VERSION_NONE.
   */
  uint64_t version;
  /**
   * Without synchronisation, or after it failed: patches may be missing before this one.
   */
  bool unsynced;
  /**
   * The patch, JSON, `$version` included.
   */
  struct iothub_bytes payload;
} iothub_event_twin_desired;

/**
 * IOTHUB_EVENT_REQUEST_FAILED and IOTHUB_EVENT_TWIN_SYNC_FAILED.
 */
typedef struct iothub_event_request_failed {
  /**
   * TOO_LARGE: the twin's desired version, read as it passed by; else IOTHUB_VERSION_NONE.
   */
  uint64_t version;
  /**
   * The request; IOTHUB_TOKEN_NONE for twin synchronisation.
   */
  iothub_token token;
  /**
   * IOTHUB_REQUEST_*.
   */
  uint32_t reason;
  /**
   * STATUS: what the hub answered, as HTTP has it; else 0.
   */
  uint32_t http_status;
  /**
   * TOO_LARGE: bytes of the answer's payload; else 0.
   */
  uint32_t payload_len;
  /**
   * What the hub says about it: JSON, or nothing.
   */
  struct iothub_bytes payload;
} iothub_event_request_failed;

/**
 * IOTHUB_EVENT_SKIPPED.
 */
typedef struct iothub_event_skipped {
  /**
   * Its topic; empty if that alone is larger than `max_packet`.
   */
  struct iothub_str topic;
  /**
   * For a direct method: it may be answered, for instance with 413. `id` is none (NULL) for anything else.
   */
  struct iothub_request request;
  /**
   * For a message at QoS 1: it may be accepted, so that it does not come again, or left.
   */
  iothub_token token;
  /**
   * Bytes of its payload.
   */
  uint32_t payload_len;
  /**
   * Its packet id; 0 at QoS 0.
   */
  uint32_t packet_id;
} iothub_event_skipped;

/**
 * IOTHUB_EVENT_UNKNOWN.
 */
typedef struct iothub_event_unknown {
  /**
   * The topic.
   */
  struct iothub_str topic;
  /**
   * The payload.
   */
  struct iothub_bytes payload;
  /**
   * Whether it is a retained message, which IoT Hub does not have.
   */
  bool retain;
} iothub_event_unknown;

/**
 * IOTHUB_EVENT_DISCONNECTED.
 */
typedef struct iothub_event_disconnected {
  /**
   * IOTHUB_DISCONNECT_*.
   */
  uint32_t reason;
  /**
   * IOTHUB_SENT_*: the last packet sent. Over MQTT the hub closes the link instead of saying what it objects to.
   */
  uint32_t last_sent;
  /**
   * After at least two connections cut with unacknowledged telemetry and no PUBACK: the oldest such message, to be
   * withdrawn if the hub will never take it. Else IOTHUB_TOKEN_NONE.
   */
  iothub_token suspect;
  /**
   * Connections in a row that ended so; 0 without a suspect.
   */
  uint32_t cuts;
  /**
   * How long the connection was ready, in milliseconds: for iothub_backoff_next().
   */
  uint32_t ready_for_ms;
  /**
   * FAILED: the fatal error. Else its `status` is IOTHUB_OK.
   */
  struct iothub_error error;
} iothub_event_disconnected;

/**
 * IOTHUB_EVENT_ASSIGNING and IOTHUB_EVENT_THROTTLED.
 */
typedef struct iothub_event_assigning {
  /**
   * THROTTLED: what the service answered, as HTTP has it; else 0.
   */
  uint32_t http_status;
  /**
   * THROTTLED: the service's own number; 0 if it gave none.
   */
  uint32_t code;
  /**
   * When it is asked again, in milliseconds.
   */
  uint32_t retry_after_ms;
} iothub_event_assigning;

/**
 * IOTHUB_EVENT_ASSIGNED. iothub_assigned_names() copies the names.
 */
typedef struct iothub_event_assigned {
  /**
   * The hub.
   */
  struct iothub_str host_name;
  /**
   * The device id, with the escapes of JSON.
   */
  struct iothub_str device_id;
  /**
   * How it came about: `initialAssignment`, `deviceDataMigrated`, `deviceDataReset` or
   * `reprovisionedToInitialAssignment`; empty if the service does not say.
   */
  struct iothub_str substatus;
  /**
   * JSON that a custom allocation policy gives the device; empty if there is none.
   */
  struct iothub_bytes payload;
} iothub_event_assigned;

/**
 * IOTHUB_EVENT_REFUSED.
 */
typedef struct iothub_event_refused {
  /**
   * What the service answered, as HTTP has it; 0 if it was no such answer.
   */
  uint32_t http_status;
  /**
   * The service's own number for the cause, such as 401002; 0 if it gave none.
   */
  uint32_t code;
  /**
   * The service's answer: JSON with `errorCode`, `trackingId` and `message` as a rule. Empty if it was too large.
   */
  struct iothub_bytes payload;
  /**
   * The error, with IOTHUB_ERR_REGISTRATION_x.
   */
  struct iothub_error error;
} iothub_event_refused;

/**
 * IOTHUB_EVENT_STREAM_BEGIN.
 */
typedef struct iothub_event_stream_begin {
  /**
   * IOTHUB_STREAM_*.
   */
  uint32_t source;
  /**
   * Bytes of the whole payload.
   */
  uint32_t payload_len;
  /**
   * TWIN_DOCUMENT: the request it answers; IOTHUB_TOKEN_NONE if twin synchronisation fetched it.
   */
  iothub_token token;
  /**
   * MESSAGE: it may have been delivered before (DUP).
   */
  bool redelivered;
  /**
   * TWIN_DESIRED: patches may be missing before this one.
   */
  bool unsynced;
  /**
   * UNKNOWN: it is a retained message.
   */
  bool retain;
  /**
   * MESSAGE: the module's input, none (NULL) for a cloud-to-device message. METHOD_CALL: the method. UNKNOWN: the topic.
   */
  struct iothub_str name;
  /**
   * MESSAGE: the property bag; read it with iothub_properties_iter().
   */
  struct iothub_str properties;
  /**
   * METHOD_CALL: what the answer names. iothub_request_keep() it to answer after the end.
   */
  struct iothub_request request;
} iothub_event_stream_begin;

/**
 * IOTHUB_EVENT_STREAM_PIECE.
 */
typedef struct iothub_event_stream_piece {
  /**
   * Bytes of the payload before these.
   */
  uint32_t offset;
  /**
   * At least one byte.
   */
  struct iothub_bytes bytes;
} iothub_event_stream_piece;

/**
 * IOTHUB_EVENT_STREAM_END.
 */
typedef struct iothub_event_stream_end {
  /**
   * TWIN_DOCUMENT: `desired.$version`; TWIN_DESIRED: the new version. IOTHUB_VERSION_NONE if there is none.
   */
  uint64_t version;
  /**
   * IOTHUB_STREAM_*, as its beginning.
   */
  uint32_t source;
  /**
   * MESSAGE: what to accept or leave. TWIN_DOCUMENT: the request that has ended by it. Else, and at QoS 0,
   * IOTHUB_TOKEN_NONE.
   */
  iothub_token token;
  /**
   * TWIN_DOCUMENT: older than what was delivered before. Do not apply it.
   */
  bool stale;
} iothub_event_stream_end;

/**
 * IOTHUB_EVENT_PART_WANTED.
 */
typedef struct iothub_event_part_wanted {
  /**
   * The message: what iothub_client_send_telemetry_parts() gave. It may have been withdrawn: half of it was sent.
   */
  iothub_token token;
  /**
   * Bytes of all parts before this one. 0 again after a cut.
   */
  uint32_t offset;
  /**
   * The most bytes it may have.
   */
  uint32_t room;
} iothub_event_part_wanted;

/**
 * What `kind` says.
 */
typedef union iothub_event_union {
  /**
   * IOTHUB_EVENT_CONNECTED.
   */
  struct iothub_event_connected connected;
  /**
   * IOTHUB_EVENT_READY.
   */
  struct iothub_event_subscribed ready;
  /**
   * IOTHUB_EVENT_SUBSCRIBED.
   */
  struct iothub_event_subscribed subscribed;
  /**
   * IOTHUB_EVENT_TELEMETRY_ACKED.
   */
  struct iothub_event_acked telemetry_acked;
  /**
   * IOTHUB_EVENT_MESSAGE, IOTHUB_EVENT_MESSAGE_LEFT.
   */
  struct iothub_event_message message;
  /**
   * IOTHUB_EVENT_METHOD_CALL.
   */
  struct iothub_event_method_call method_call;
  /**
   * IOTHUB_EVENT_TWIN_DOCUMENT.
   */
  struct iothub_event_twin_document twin_document;
  /**
   * IOTHUB_EVENT_TWIN_REPORTED.
   */
  struct iothub_event_twin_reported twin_reported;
  /**
   * IOTHUB_EVENT_TWIN_DESIRED.
   */
  struct iothub_event_twin_desired twin_desired;
  /**
   * IOTHUB_EVENT_REQUEST_FAILED, IOTHUB_EVENT_TWIN_SYNC_FAILED.
   */
  struct iothub_event_request_failed request_failed;
  /**
   * IOTHUB_EVENT_SKIPPED.
   */
  struct iothub_event_skipped skipped;
  /**
   * IOTHUB_EVENT_UNKNOWN.
   */
  struct iothub_event_unknown unknown;
  /**
   * IOTHUB_EVENT_DISCONNECTED.
   */
  struct iothub_event_disconnected disconnected;
  /**
   * IOTHUB_EVENT_ASSIGNING, IOTHUB_EVENT_THROTTLED.
   */
  struct iothub_event_assigning assigning;
  /**
   * IOTHUB_EVENT_ASSIGNED.
   */
  struct iothub_event_assigned assigned;
  /**
   * IOTHUB_EVENT_REFUSED.
   */
  struct iothub_event_refused refused;
  /**
   * IOTHUB_EVENT_STREAM_BEGIN.
   */
  struct iothub_event_stream_begin stream_begin;
  /**
   * IOTHUB_EVENT_STREAM_PIECE.
   */
  struct iothub_event_stream_piece stream_piece;
  /**
   * IOTHUB_EVENT_STREAM_END.
   */
  struct iothub_event_stream_end stream_end;
  /**
   * IOTHUB_EVENT_PART_WANTED.
   */
  struct iothub_event_part_wanted part_wanted;
  /**
   * For events of later versions: the size stays as it is.
   */
  size_t reserved[12];
} iothub_event_union;

/**
 * One thing that happened. Its pointers point into the bytes that were given to iothub_client_handle_input(), or into the
 * memory of the iothub_rx, and live as long as those stay where they are. Every call on the client is legal meanwhile.
 */
typedef struct iothub_event {
  /**
   * IOTHUB_EVENT_*. A kind that this header does not know is to be ignored.
   */
  uint32_t kind;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * What the kind says.
   */
  union iothub_event_union u;
} iothub_event;

/**
 * A receive buffer over memory of the caller's; see iothub_rx_init(). Opaque. It must not be copied or moved.
 */
typedef struct iothub_rx {
  /**
   * Not for the caller.
   */
  size_t opaque[6];
} iothub_rx;

/**
 * A request that points nowhere: for an answer that comes later. It may be copied.
 */
typedef struct iothub_kept_request {
  /**
   * The id, not ended by NUL.
   */
  uint8_t id[IOTHUB_KEPT_REQUEST_MAX];
  /**
   * Bytes of it.
   */
  uint8_t id_len;
  /**
   * The number of the connection; above 0.
   */
  uint32_t connection;
} iothub_kept_request;

/**
 * Where the reading of a bag is. Made by iothub_properties_iter() and not to be changed by the caller; it may be copied.
 */
typedef struct iothub_property_iter {
  /**
   * What is still to be read.
   */
  struct iothub_str rest;
  /**
   * Not for the caller.
   */
  uint32_t mark;
} iothub_property_iter;

/**
 * One property as it came: percent-encoded. iothub_text_decode() decodes, iothub_text_equals() compares. It points into
 * the bag.
 */
typedef struct iothub_received_property {
  /**
   * Its name.
   */
  struct iothub_str name;
  /**
   * Its value; none (NULL) if it came without `=`.
   */
  struct iothub_str value;
  /**
   * IOTHUB_SYSTEM_* if it is one of those, else IOTHUB_SYSTEM_NONE.
   */
  uint32_t system;
} iothub_received_property;

/**
 * Finds one value in a document that comes in pieces, in memory of the caller's. Opaque. It must not be copied or moved; it
 * needs no end.
 */
typedef struct iothub_json_reader {
  /**
   * Not for the caller.
   */
  uint64_t opaque[12];
} iothub_json_reader;

/**
 * Where the reading of desired properties is, in memory of the caller's. Opaque. It must not be copied or moved; it needs no
 * end.
 */
typedef struct iothub_desired_iter {
  /**
   * Not for the caller.
   */
  uint64_t opaque[18];
} iothub_desired_iter;

/**
 * One desired property. It points into the JSON.
 */
typedef struct iothub_desired_property {
  /**
   * The component as it is spelled in JSON, which iothub_json_equals() compares; none (NULL) for the default component.
   */
  struct iothub_str component;
  /**
   * Its name, likewise.
   */
  struct iothub_str name;
  /**
   * Its value as it stands there: JSON. `null` in a patch says that the property is no more; so does the whole component,
   * if `component` is none and the name is a component's.
   */
  struct iothub_bytes value;
} iothub_desired_property;

/**
 * A patch of reported properties that is being written, in memory of the caller's. Opaque. It must not be copied or moved; it
 * ends with iothub_patch_finish().
 */
typedef struct iothub_patch {
  /**
   * Not for the caller.
   */
  size_t opaque[8];
} iothub_patch;

/**
 * Commands not settled.
 */
typedef struct iothub_pending {
  /**
   * Telemetry messages unsent or unacknowledged.
   */
  uint32_t telemetry;
  /**
   * Twin requests unsent or unanswered.
   */
  uint32_t twin_requests;
  /**
   * Method answers unsent.
   */
  uint32_t method_answers;
  /**
   * Messages delivered and not acknowledged or left.
   */
  uint32_t messages;
} iothub_pending;

/**
 * A connection string taken apart. It points into the text.
 */
typedef struct iothub_connection_string {
  /**
   * `host_name` of iothub_config: the hub.
   */
  struct iothub_str host_name;
  /**
   * `device_id` of iothub_config.
   */
  struct iothub_str device_id;
  /**
   * `module_id` of iothub_config; none (NULL) for a device.
   */
  struct iothub_str module_id;
  /**
   * The host to connect to, to name in TLS and to find in its certificate: the gateway if there is one, else the hub.
   */
  struct iothub_str connect_host;
  /**
   * CREDENTIAL_KEY: the key in base64. Secret.
   */
  struct iothub_str key;
  /**
   * CREDENTIAL_KEY: the hub policy it belongs to; none (NULL) for a device's own key.
   */
  struct iothub_str key_name;
  /**
   * CREDENTIAL_TOKEN: a ready-made token. Secret.
   */
  struct iothub_str token;
  /**
   * IOTHUB_CREDENTIAL_*.
   */
  uint32_t credential;
} iothub_connection_string;

/**
 * What a SAS token grants access to. Make it with IOTHUB_RESOURCE_INIT.
 */
typedef struct iothub_resource {
  /**
   * sizeof(iothub_resource).
   */
  uint32_t struct_size;
  /**
   * IOTHUB_RESOURCE_*: which of the following count.
   */
  uint32_t kind;
  /**
   * The host.
   */
  struct iothub_str host;
  /**
   * The device or registration.
   */
  struct iothub_str id;
  /**
   * The module.
   */
  struct iothub_str module_id;
} iothub_resource;

/**
 * A key that signs, in memory of the caller's. Opaque and secret. It must not be copied or moved; it ends with
 * iothub_key_deinit().
 */
typedef struct iothub_key {
  /**
   * Not for the caller.
   */
  uint64_t opaque[9];
} iothub_key;

/**
 * The delays for one IOTHUB_RETRY_*, in milliseconds: evenly drawn from `min_ms` to the least of `max_ms` and `first_ms`
 * times 2 to the number of failures before. `first_ms` is raised to `min_ms`, and `max_ms` to `first_ms`, if below.
 */
typedef struct iothub_schedule {
  /**
   * The shortest delay.
   */
  uint32_t min_ms;
  /**
   * The longest delay at the first failure.
   */
  uint32_t first_ms;
  /**
   * The longest delay at all.
   */
  uint32_t max_ms;
} iothub_schedule;

/**
 * How to retry. iothub_retry_policy_init() fills it in.
 */
typedef struct iothub_retry_policy {
  /**
   * sizeof(iothub_retry_policy); set by iothub_retry_policy_init().
   */
  uint32_t struct_size;
  /**
   * Failures in a row from which on another assignment is advised; 0 for never. Default 10.
   */
  uint32_t reprovision_after;
  /**
   * How long a connection must have been ready for the failures before it to be forgotten. Default 60,000.
   */
  uint32_t stable_after_ms;
  /**
   * After IOTHUB_RETRY_LOST. Default: 0 to 1 s, doubling to 60 s.
   */
  struct iothub_schedule lost;
  /**
   * After IOTHUB_RETRY_UNAVAILABLE. Default: 5 to 10 s, doubling to 5 min.
   */
  struct iothub_schedule unavailable;
  /**
   * After IOTHUB_RETRY_UNAUTHORIZED. Default: 10 to 20 s, doubling to 10 min.
   */
  struct iothub_schedule unauthorized;
  /**
   * After IOTHUB_RETRY_REJECTED. Default: 1 to 10 min, doubling to 1 h.
   */
  struct iothub_schedule rejected;
} iothub_retry_policy;

/**
 * Counts failures and draws delays, in memory of the caller's. Opaque. It must not be copied or moved; it needs no end.
 */
typedef struct iothub_backoff {
  /**
   * Not for the caller.
   */
  uint32_t opaque[17];
} iothub_backoff;

/**
 * What to do after a connection ended.
 */
typedef struct iothub_retry {
  /**
   * How long to wait before connecting, in milliseconds.
   */
  uint32_t after_ms;
  /**
   * Whether to ask the Device Provisioning Service again first: the device may have moved to another hub.
   */
  bool reprovision;
} iothub_retry;

/**
 * Who registers, and how. iothub_provisioning_config_init() fills it in; then set `id_scope` and `registration_id`, and
 * what else should differ. Durations are milliseconds.
 */
typedef struct iothub_provisioning_config {
  /**
   * sizeof(iothub_provisioning_config); set by iothub_provisioning_config_init().
   */
  uint32_t struct_size;
  /**
   * Bytes of the largest packet the receive buffer holds. 64 to 1 MiB; default 1024, which holds every answer without a
   * large payload.
   */
  uint32_t max_packet;
  /**
   * The id scope of the service's instance, such as `0ne00000001`. 1 to 128 bytes.
   */
  struct iothub_str id_scope;
  /**
   * The registration id. 1 to 128 ASCII letters, digits and `- . _ :`, a letter, digit or `-` at the end; best in lower
   * case: see iothub_key_derive().
   */
  struct iothub_str registration_id;
  /**
   * The service API version, 1 to 32 bytes; none (NULL) for the library's, 2019-03-31.
   */
  struct iothub_str api_version;
  /**
   * Name and version of the product, 1 to 1,024 bytes; none (NULL) for this library's.
   */
  struct iothub_str product;
  /**
   * JSON for a custom allocation policy or for the application behind the hub, such as `{"modelId":"dtmi:..."}`; nothing
   * (NULL) without one. With the registration id at most 96 KiB.
   */
  struct iothub_bytes payload;
  /**
   * Seconds of silence after which the service may give the device up (times 1.5). 0: none; at most 1177. Default 240.
   */
  uint16_t keep_alive;
  /**
   * 0.
   */
  uint16_t reserved;
  /**
   * Bytes kept for CONNECT, out of `tx`. 0, the default: as much as this registration needs with a SAS token.
   */
  uint32_t connect_reserve;
  /**
   * From iothub_provisioning_connect() to the assignment, whatever happens in between. Default 300,000.
   */
  uint32_t deadline_ms;
  /**
   * From the last byte of CONNECT to CONNACK. Default 30,000.
   */
  uint32_t connect_timeout_ms;
  /**
   * For a request to be answered, after which it is sent again. Default 60,000.
   */
  uint32_t request_timeout_ms;
} iothub_provisioning_config;

/**
 * A device that asks the Device Provisioning Service which hub it belongs to, in memory of the caller's. Connect it to
 * `global.azure-devices-provisioning.net`, port 8883, that name in TLS, too. Opaque. It must not be copied or moved; it
 * ends with iothub_provisioning_deinit(). Not in a library built without the feature `provisioning`.
 */
typedef struct iothub_provisioning {
  /**
   * Not for the caller.
   */
  uint64_t opaque[IOTHUB_PROVISIONING_WORDS];
} iothub_provisioning;

/**
 * The client's side of a WebSocket, in memory of the caller's. It stands between a transport, TLS to port 443, and an
 * iothub_client or iothub_provisioning, which does not know of it. Opaque. It must not be copied or moved; it ends with
 * iothub_websocket_deinit(). Not in a library built without the feature `websocket`.
 */
typedef struct iothub_websocket {
  /**
   * Not for the caller.
   */
  uint64_t opaque[IOTHUB_WEBSOCKET_WORDS];
} iothub_websocket;

/**
 * What to ask the server for. Make it with IOTHUB_UPGRADE_INIT. Nothing of it is used after the call.
 */
typedef struct iothub_upgrade {
  /**
   * sizeof(iothub_upgrade).
   */
  uint32_t struct_size;
  /**
   * How long that may take, in milliseconds. IOTHUB_UPGRADE_INIT says 30,000.
   */
  uint32_t timeout_ms;
  /**
   * The host, as in TLS.
   */
  struct iothub_str host;
  /**
   * The path; none (NULL) for that of IoT Hub and of the Device Provisioning Service, `/$iothub/websocket`.
   */
  struct iothub_str path;
  /**
   * 1: say that the TLS connection has no client certificate, as IoT Hub wants of devices that sign in with a token.
   * Default 0.
   */
  uint8_t no_client_certificate;
  /**
   * 0.
   */
  uint8_t reserved[7];
  /**
   * From a good generator, anew for each connection: a nonce and the seed of the masks.
   */
  uint8_t random[32];
} iothub_upgrade;

/**
 * No token.
 */
#define IOTHUB_TOKEN_NONE 0

/**
 * It is done.
 */
#define IOTHUB_OK 0

/**
 * A pointer is NULL that must not be.
 */
#define IOTHUB_ERR_NULL -1

/**
 * A pointer is not aligned for what it points to.
 */
#define IOTHUB_ERR_MISALIGNED -2

/**
 * The object was not initialised, has ended, or was copied or moved.
 */
#define IOTHUB_ERR_NOT_INITIALIZED -3

/**
 * The size given for an opaque object is smaller than the library needs: header and library differ.
 */
#define IOTHUB_ERR_OBJECT_SIZE -4

/**
 * `struct_size` is not that of a version of the struct: not set, or header and library differ.
 */
#define IOTHUB_ERR_STRUCT_SIZE -5

/**
 * A length is larger than any memory.
 */
#define IOTHUB_ERR_BAD_LENGTH -6

/**
 * A text is not UTF-8.
 */
#define IOTHUB_ERR_BAD_UTF8 -7

/**
 * A number is none of those the field may have.
 */
#define IOTHUB_ERR_BAD_VALUE -8

/**
 * `now_ms` is above UINT64_MAX / 2.
 */
#define IOTHUB_ERR_BAD_INSTANT -10

/**
 * The call is not legal in the present IOTHUB_STATE_*.
 */
#define IOTHUB_ERR_INVALID_STATE -11

/**
 * The token or request belongs to an earlier connection, or was settled before.
 */
#define IOTHUB_ERR_STALE -12

/**
 * The feature was not subscribed, or the hub refused it.
 */
#define IOTHUB_ERR_NOT_SUBSCRIBED -13

/**
 * More bytes were confirmed than lent.
 */
#define IOTHUB_ERR_BAD_CONFIRM -14

/**
 * The receive buffer is smaller than `max_packet`.
 */
#define IOTHUB_ERR_RX_TOO_SMALL -15

/**
 * The topic with its properties is longer than MQTT allows: 65,535 bytes (MQTT 3.1.1, section 1.5.3).
 */
#define IOTHUB_ERR_TOPIC_TOO_LONG -16

/**
 * The message is larger than the hub takes.
 */
#define IOTHUB_ERR_MESSAGE_TOO_LARGE -17

/**
 * A text is empty where it may not be, too long, or has a character its field does not allow.
 */
#define IOTHUB_ERR_BAD_TEXT -18

/**
 * A reported patch breaks a rule of twins. Only a library built with the feature `json` looks.
 */
#define IOTHUB_ERR_BAD_PATCH -19

/**
 * Modules only, or devices only: inputs and outputs are for modules, messages for devices.
 */
#define IOTHUB_ERR_WRONG_IDENTITY -20

/**
 * A setting is out of its range.
 */
#define IOTHUB_ERR_BAD_SETTING -21

/**
 * Connection string: a required key is missing. Without DeviceId it is most likely that of a hub policy.
 */
#define IOTHUB_ERR_STRING_MISSING -30

/**
 * Connection string: a key stands twice.
 */
#define IOTHUB_ERR_STRING_DUPLICATE -31

/**
 * Connection string: a key has no value.
 */
#define IOTHUB_ERR_STRING_EMPTY -32

/**
 * Connection string: a value is not what its key takes.
 */
#define IOTHUB_ERR_STRING_BAD_VALUE -33

/**
 * Connection string: a key asks for what this library does not do.
 */
#define IOTHUB_ERR_STRING_UNSUPPORTED -34

/**
 * Connection string: SharedAccessKey is not base64.
 */
#define IOTHUB_ERR_STRING_BASE64 -35

/**
 * Connection string: a segment is not `key=value`.
 */
#define IOTHUB_ERR_STRING_SEGMENT -36

/**
 * Connection string: a space, line break, quote, control or non-ASCII character: was the text cut or wrapped?
 */
#define IOTHUB_ERR_STRING_CHARACTER -37

/**
 * Connection string: more than one of SharedAccessKey, SharedAccessSignature and x509=true.
 */
#define IOTHUB_ERR_STRING_TWO_CREDENTIALS -38

/**
 * Connection string: none of SharedAccessKey, SharedAccessSignature and x509=true.
 */
#define IOTHUB_ERR_STRING_NO_CREDENTIAL -39

/**
 * The key has no bytes.
 */
#define IOTHUB_ERR_KEY_EMPTY -40

/**
 * The key is not base64 with the standard alphabet and padding.
 */
#define IOTHUB_ERR_KEY_BASE64 -41

/**
 * The key has more than 128 bytes.
 */
#define IOTHUB_ERR_KEY_TOO_LONG -42

/**
 * The decoded text is not UTF-8. Its bytes are there.
 */
#define IOTHUB_ERR_NOT_UTF8 -50

/**
 * The JSON is ill-formed, or nested deeper than 63 levels.
 */
#define IOTHUB_ERR_BAD_JSON -51

/**
 * The property was written before, or its component, and another one after it: what comes twice would replace what came
 * first.
 */
#define IOTHUB_ERR_DUPLICATE -52

/**
 * A wrong call, of a kind that this header does not know.
 */
#define IOTHUB_ERR_USAGE -99

/**
 * The packet does not fit now. It will when something in flight is settled.
 */
#define IOTHUB_ERR_TX_FULL -100

/**
 * The packet, or at initialisation the handshake, can never fit into `tx`.
 */
#define IOTHUB_ERR_TOO_LARGE -101

/**
 * Every slot is in use.
 */
#define IOTHUB_ERR_SLOTS_FULL -102

/**
 * The caller's buffer is too short.
 */
#define IOTHUB_ERR_BUFFER_TOO_SMALL -103

/**
 * Memory is too small or too full, in a way that this header does not know.
 */
#define IOTHUB_ERR_CAPACITY -199

/**
 * Fatal. The hub broke the protocol: a packet type that no server sends, or QoS 2 (MQTT 3.1.1, section 2.2.1).
 */
#define IOTHUB_ERR_PEER_FORBIDDEN_TYPE -201

/**
 * Fatal. The hub broke the protocol: reserved flag bits are wrong (section 2.2.2).
 */
#define IOTHUB_ERR_PEER_BAD_FLAGS -202

/**
 * Fatal. The hub broke the protocol: QoS bits 11 (section 3.3.1.2).
 */
#define IOTHUB_ERR_PEER_BAD_QOS -203

/**
 * Fatal. The hub broke the protocol: DUP on a QoS 0 PUBLISH (section 3.3.1.1).
 */
#define IOTHUB_ERR_PEER_DUP_ON_QOS0 -204

/**
 * Fatal. The hub broke the protocol: a fifth length byte (section 2.2.3).
 */
#define IOTHUB_ERR_PEER_BAD_REMAINING_LENGTH -205

/**
 * Fatal. The hub broke the protocol: a length that this packet type cannot have.
 */
#define IOTHUB_ERR_PEER_WRONG_LENGTH -206

/**
 * Fatal. The hub broke the protocol: a packet larger than `packet_limit`.
 */
#define IOTHUB_ERR_PEER_TOO_LARGE -207

/**
 * Fatal. The hub broke the protocol: a field runs past the end of the packet.
 */
#define IOTHUB_ERR_PEER_TRUNCATED -208

/**
 * Fatal. The hub broke the protocol: packet identifier 0 (section 2.3.1).
 */
#define IOTHUB_ERR_PEER_ZERO_PACKET_ID -209

/**
 * Fatal. The hub broke the protocol: an empty topic name (section 4.7.3).
 */
#define IOTHUB_ERR_PEER_EMPTY_TOPIC -210

/**
 * Fatal. The hub broke the protocol: ill-formed UTF-8 (section 1.5.3).
 */
#define IOTHUB_ERR_PEER_BAD_UTF8 -211

/**
 * Fatal. The hub broke the protocol: U+0000 in a text (section 1.5.3).
 */
#define IOTHUB_ERR_PEER_NUL_IN_TEXT -212

/**
 * Fatal. The hub broke the protocol: a wildcard in a topic name (section 3.3.2.1).
 */
#define IOTHUB_ERR_PEER_WILDCARD_IN_TOPIC -213

/**
 * Fatal. The hub broke the protocol: something else before CONNACK (section 3.2).
 */
#define IOTHUB_ERR_PEER_EXPECTED_CONNACK -214

/**
 * Fatal. The hub broke the protocol: a second CONNACK (section 3.2).
 */
#define IOTHUB_ERR_PEER_SECOND_CONNACK -215

/**
 * Fatal. The hub broke the protocol: CONNACK flags other than session-present (section 3.2.2.1).
 */
#define IOTHUB_ERR_PEER_BAD_CONNACK_FLAGS -216

/**
 * Fatal. The hub broke the protocol: a reserved CONNACK return code (section 3.2.2.3).
 */
#define IOTHUB_ERR_PEER_BAD_RETURN_CODE -217

/**
 * Fatal. The hub broke the protocol: session-present where it cannot be (section 3.2.2.2).
 */
#define IOTHUB_ERR_PEER_BAD_SESSION_PRESENT -218

/**
 * Fatal. The hub broke the protocol: a reserved SUBACK return code (section 3.9.3).
 */
#define IOTHUB_ERR_PEER_BAD_SUBACK_CODE -219

/**
 * Fatal. The hub broke the protocol: SUBACK codes that do not match the filters in number (section 3.8.4).
 */
#define IOTHUB_ERR_PEER_SUBACK_COUNT -220

/**
 * Fatal. The hub broke the protocol: an acknowledgement of one kind for a packet of another.
 */
#define IOTHUB_ERR_PEER_WRONG_ACK -221

/**
 * Fatal. Below MQTT, the server broke HTTP or the WebSocket protocol; `subject` says how, IOTHUB_VIOLATION_*.
 */
#define IOTHUB_ERR_PEER_WEBSOCKET -241

/**
 * Fatal. The server closed the WebSocket; `subject` is its code (RFC 6455, section 7.4), or 0. Right after DISCONNECT it is no
 * failure: the hub was the quicker one.
 */
#define IOTHUB_ERR_PEER_WEBSOCKET_CLOSED -242

/**
 * Fatal. The hub broke the protocol, in a way that this header does not know.
 */
#define IOTHUB_ERR_PEER -299

/**
 * Fatal. CONNACK 1: protocol level not supported. Retrying will not help.
 */
#define IOTHUB_ERR_REFUSED_PROTOCOL_VERSION -301

/**
 * Fatal. CONNACK 2: client id rejected. Retrying will not help.
 */
#define IOTHUB_ERR_REFUSED_CLIENT_ID -302

/**
 * Fatal. CONNACK 3: the hub is unavailable or throttles, or the device is disabled. Retry slowly.
 */
#define IOTHUB_ERR_REFUSED_SERVER_UNAVAILABLE -303

/**
 * Fatal. CONNACK 4: malformed user name or password.
 */
#define IOTHUB_ERR_REFUSED_BAD_CREDENTIALS -304

/**
 * Fatal. CONNACK 5: expired or wrong token, unknown or disabled device, or a wrong clock.
 */
#define IOTHUB_ERR_REFUSED_NOT_AUTHORIZED -305

/**
 * Fatal. The server, or a proxy before it, did not upgrade to WebSocket; `subject` is the HTTP status.
 */
#define IOTHUB_ERR_REFUSED_WEBSOCKET -311

/**
 * Fatal. The Device Provisioning Service refused a request, and will again: see `http_status` and `code` of
 * iothub_event_refused. 401 for wrong credentials, 404 for an unknown registration.
 */
#define IOTHUB_ERR_REGISTRATION_REFUSED -321

/**
 * Fatal. The Device Provisioning Service tried to assign the device and failed, for instance in a custom allocation policy.
 */
#define IOTHUB_ERR_REGISTRATION_FAILED -322

/**
 * Fatal. The enrollment is disabled.
 */
#define IOTHUB_ERR_REGISTRATION_DISABLED -323

/**
 * Fatal. The Device Provisioning Service refused the subscription to its answers.
 */
#define IOTHUB_ERR_REGISTRATION_NOT_SUBSCRIBED -324

/**
 * Fatal. The Device Provisioning Service's answer is larger than `max_packet`.
 */
#define IOTHUB_ERR_REGISTRATION_ANSWER_TOO_LARGE -325

/**
 * Fatal. The Device Provisioning Service's answer is no JSON, or lacks what belongs to it.
 */
#define IOTHUB_ERR_REGISTRATION_BAD_ANSWER -326

/**
 * Fatal. The Device Provisioning Service did not assign the device, for a reason that this header does not know.
 */
#define IOTHUB_ERR_REGISTRATION -399

/**
 * Fatal. The link is dead: no CONNACK in time.
 */
#define IOTHUB_ERR_TIMED_OUT_CONNACK -401

/**
 * Fatal. The link is dead: no SUBACK in time.
 */
#define IOTHUB_ERR_TIMED_OUT_SUBACK -402

/**
 * Fatal. The link is dead: no PINGRESP in time.
 */
#define IOTHUB_ERR_TIMED_OUT_PINGRESP -403

/**
 * Fatal. The link is dead: no PUBACK although messages wait for one in time.
 */
#define IOTHUB_ERR_TIMED_OUT_PUBACK -404

/**
 * Fatal. The link is dead: bytes were waiting and none was confirmed in time.
 */
#define IOTHUB_ERR_TIMED_OUT_SEND -405

/**
 * Fatal. The Device Provisioning Service has not assigned the device in time.
 */
#define IOTHUB_ERR_TIMED_OUT_REGISTRATION -414

/**
 * Fatal. The application did not supply the next part of a message, half of which was sent, in time.
 */
#define IOTHUB_ERR_TIMED_OUT_SUPPLY -415

/**
 * Fatal. The server did not upgrade to WebSocket in time.
 */
#define IOTHUB_ERR_TIMED_OUT_WEBSOCKET -421

/**
 * Fatal. The link is dead: a deadline passed that this header does not know.
 */
#define IOTHUB_ERR_TIMED_OUT -499

/**
 * Fatal. A fault of the library, which was caught. The client it happened in only gives this from then on.
 */
#define IOTHUB_ERR_INTERNAL -900

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library: to be compared with IOTHUB_VERSION, that of the header.
 */
uint32_t iothub_version(void);

/**
 * The version of the library in words. Ends with NUL and lives for ever.
 */
const char *iothub_version_str(void);

/**
 * The text that ends with NUL at `text`, or none for NULL. `text` must live as long as what is given. For a literal,
 * the macro IOTHUB_STR() does this at compile time.
 *
 * @pre `text` is NULL or ends with NUL.
 */
struct iothub_str iothub_str_from(const char *text);

/**
 * Whether a status says that the connection is over: close the transport and call iothub_client_connect() on a new one.
 * Statuses above these changed nothing.
 */
bool iothub_status_is_fatal(iothub_status status);

/**
 * A status in words, in English: for a log. Ends with NUL, lives for ever, is never NULL.
 */
const char *iothub_status_str(iothub_status status);

/**
 * What is behind the last status from IOTHUB_ERR_BAD_INSTANT on down that a call gave which changes the client (the
 * pointer to it is not to const). It stays until another such call fails; IOTHUB_OK if none did. The fatal error of a
 * connection is also in its IOTHUB_EVENT_DISCONNECTED.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `client` and `error` point to what their types say.
 */
iothub_status iothub_client_last_error(const struct iothub_client *client, struct iothub_error *error);

/**
 * Fills in the defaults. `config_size` is sizeof *config: no more than that is written.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE `config_size` is not that of this or a later header.
 *
 * @pre `config` points to `config_size` bytes.
 */
iothub_status iothub_config_init(struct iothub_config *config, size_t config_size);

/**
 * sizeof(iothub_client), for callers that are not C.
 */
size_t iothub_client_size(void);

/**
 * The alignment that an iothub_client needs, for callers that are not C.
 */
size_t iothub_client_align(void);

/**
 * Makes a client in the caller's memory, offline. What was there is overwritten: a client that stood there must have been
 * ended by iothub_client_deinit(). `config` is not used after the call, but its texts are; they and the memory in
 * `storage` must live as long as the client, and that memory is the client's alone.
 *
 * @param client The place.
 * @param client_size sizeof *client.
 * @param[out] error What is behind a failure; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above, also for the memory in `storage`.
 * @retval IOTHUB_ERR_MISALIGNED as said above, also for the memory in `storage`.
 * @retval IOTHUB_ERR_OBJECT_SIZE `client_size` is too small.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `config` or `storage`.
 * @retval IOTHUB_ERR_BAD_LENGTH of a text or of the memory.
 * @retval IOTHUB_ERR_BAD_UTF8 of a text or of the memory.
 * @retval IOTHUB_ERR_BAD_VALUE A flag is neither 0 nor 1, or `features` has an unknown bit.
 * @retval IOTHUB_ERR_BAD_TEXT A name cannot be sent; `error` has the field and the offset.
 * @retval IOTHUB_ERR_BAD_SETTING A setting is out of its range; `error` tells which.
 * @retval IOTHUB_ERR_WRONG_IDENTITY `features` has INPUTS for a device, or MESSAGES for a module.
 * @retval IOTHUB_ERR_TOO_LARGE `tx` cannot hold the handshake; `error` has the bytes needed.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say, `client` to `client_size` bytes.
 */
iothub_status iothub_client_init(struct iothub_client *client,
                                 size_t client_size,
                                 const struct iothub_config *config,
                                 const struct iothub_storage *storage,
                                 struct iothub_error *error);

/**
 * Ends a client and wipes what is left of a password. Its memory is the caller's again. Call it in any state; the
 * transport is not told.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_deinit(struct iothub_client *client);

/**
 * The transport is up: sign in. Tokens of messages and requests of earlier connections are stale from now on, an
 * IOTHUB_EVENT_DISCONNECTED not yet taken is dropped, and `now_ms` may be earlier than before. Input of an earlier
 * connection that was not consumed is for the caller to drop.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `options`, of the will, or of its system properties.
 * @retval IOTHUB_ERR_BAD_LENGTH of `options` or of the will.
 * @retval IOTHUB_ERR_BAD_UTF8 of `options` or of the will.
 * @retval IOTHUB_ERR_BAD_VALUE of `options` or of the will.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_INVALID_STATE There is a connection.
 * @retval IOTHUB_ERR_BAD_TEXT of the password or the will.
 * @retval IOTHUB_ERR_TOPIC_TOO_LONG of the will.
 * @retval IOTHUB_ERR_MESSAGE_TOO_LARGE of the will.
 * @retval IOTHUB_ERR_WRONG_IDENTITY of the will.
 * @retval IOTHUB_ERR_TOO_LARGE CONNECT is larger than its reserve: see `connect_reserve` of iothub_config.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_connect(struct iothub_client *client,
                                    uint64_t now_ms,
                                    const struct iothub_connect *options);

/**
 * Bytes came in, or an event waits (iothub_client_has_event()): looks at the front of `data` until there is an event or no
 * whole packet is left. Drop exactly `*consumed` bytes from the front, when the event is done with.
 *
 * Call it again until there is no event and nothing is consumed. A fatal error is returned only by a call that consumed
 * nothing; what was parsed before it is delivered first. It is repeated until iothub_client_connect().
 *
 * @param data The bytes; NULL if `len` is 0.
 * @param[out] consumed How many are done with. Written on every return.
 * @param[out] needed The full size of a packet that is incomplete in what then remains, as far as known; else 0. May be
 * NULL.
 * @param[out] event What happened, or IOTHUB_EVENT_NONE. Written on every return. Its pointers point into `data`.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH `len` is larger than any memory.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_PEER_x Fatal: the hub broke the protocol.
 * @retval IOTHUB_ERR_REFUSED_x Fatal: the hub refused the connection.
 * @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed, as iothub_client_handle_timeout() said.
 *
 * @pre The pointers point to what their types say, `data` to `len` bytes.
 */
iothub_status iothub_client_handle_input(struct iothub_client *client,
                                         uint64_t now_ms,
                                         const uint8_t *data,
                                         size_t len,
                                         size_t *consumed,
                                         size_t *needed,
                                         struct iothub_event *event);

/**
 * The next event out of `rx`: the same as iothub_client_handle_input(), with the buffer kept for the caller. Call it until
 * there is IOTHUB_EVENT_NONE. With IOTHUB_EVENT_DISCONNECTED and with a fatal error the buffer is cleared.
 *
 * @param[out] event What happened, or IOTHUB_EVENT_NONE. Written on every return. Its pointers point into the memory of
 * `rx` and live until the next call that takes `rx`.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above, of either.
 * @retval IOTHUB_ERR_MISALIGNED as said above, of either.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above, of either.
 * @retval IOTHUB_ERR_INTERNAL as said above, of either.
 * @retval IOTHUB_ERR_RX_TOO_SMALL `rx` has less memory than `max_packet` of iothub_config.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_PEER_x as iothub_client_handle_input().
 * @retval IOTHUB_ERR_REFUSED_x as iothub_client_handle_input().
 * @retval IOTHUB_ERR_TIMED_OUT_x as iothub_client_handle_input().
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_poll_event(struct iothub_client *client,
                                       uint64_t now_ms,
                                       struct iothub_rx *rx,
                                       struct iothub_event *event);

/**
 * The bytes to send next: one packet, or the rest of one. They are lent: same bytes in the same place, through every call,
 * until they are confirmed, the connection ends, or the client does.
 *
 * @param[out] data The first byte, or NULL if there is nothing to send.
 * @return How many, 0 for nothing, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_client_poll_transmit(struct iothub_client *client,
                                    const uint8_t **data);

/**
 * The first `count` of the bytes lent were sent. A transfer that completes after its connection ended is not confirmed any
 * more.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_BAD_CONFIRM That is more than was lent.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_confirm_transmit(struct iothub_client *client,
                                             uint64_t now_ms,
                                             size_t count);

/**
 * When to call iothub_client_handle_timeout(). IOTHUB_NEVER: only bytes or commands change anything; also for NULL and
 * for what is no client, of which iothub_client_state() tells more.
 *
 * @pre `client` points to an iothub_client, or is NULL.
 */
uint64_t iothub_client_poll_timeout(const struct iothub_client *client);

/**
 * Time has come. Early calls do nothing, late ones are safe, and after it the next deadline is later than `now_ms`.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed that means a dead link.
 * @retval IOTHUB_ERR_PEER_x Fatal, as iothub_client_handle_input() said before.
 * @retval IOTHUB_ERR_REFUSED_x Fatal, as iothub_client_handle_input() said before.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_handle_timeout(struct iothub_client *client, uint64_t now_ms);

/**
 * The transport is gone, by whatever cause. IOTHUB_EVENT_DISCONNECTED tells what was known: take it with
 * iothub_client_handle_input() and no bytes.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_handle_eof(struct iothub_client *client, uint64_t now_ms);

/**
 * A polite end: nothing new is begun, what is in flight settles (at most `drain_timeout_ms`), then DISCONNECT. A second
 * call does not wait. It is over at IOTHUB_EVENT_DISCONNECTED; then close the transport. Offline it does nothing, and no
 * event comes.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_INVALID_STATE The connection has ended in a fatal error.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_disconnect(struct iothub_client *client,
                                       uint64_t now_ms);

/**
 * Makes a receive buffer over `memory`, which is the buffer's alone as long as it is used. It needs no end.
 *
 * @param rx The place.
 * @param rx_size sizeof *rx.
 * @param memory At least `max_packet` bytes.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `rx_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH `memory_len` is larger than any memory.
 *
 * @pre `rx` points to `rx_size` bytes, `memory` to `memory_len`.
 */
iothub_status iothub_rx_init(struct iothub_rx *rx, size_t rx_size, uint8_t *memory, size_t memory_len);

/**
 * Where to read into. Never empty after iothub_client_poll_event() gave IOTHUB_EVENT_NONE. What an event pointed to is gone
 * with this call.
 *
 * @param[out] space The first byte.
 * @param[out] space_len Bytes.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_rx_space(struct iothub_rx *rx,
                              uint8_t **space,
                              size_t *space_len);

/**
 * `count` bytes were read into iothub_rx_space(). More than there was room for counts as all of it.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre `rx` points to an iothub_rx.
 */
iothub_status iothub_rx_commit(struct iothub_rx *rx, size_t count);

/**
 * Drops everything, as on a new connection.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre `rx` points to an iothub_rx.
 */
iothub_status iothub_rx_clear(struct iothub_rx *rx);

/**
 * Adds to what is subscribed, on this connection and all later ones. IOTHUB_EVENT_SUBSCRIBED answers, or
 * IOTHUB_EVENT_READY if the connection is not ready yet; nothing does if all of it is granted already.
 *
 * @param features IOTHUB_FEATURE_* bits.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_VALUE `features` has an unknown bit.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_WRONG_IDENTITY INPUTS for a device, or MESSAGES for a module.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_subscribe(struct iothub_client *client, uint64_t now_ms, uint32_t features);

/**
 * Queues a message, in every state. At QoS 1 it is kept until IOTHUB_EVENT_TELEMETRY_ACKED, across connections.
 *
 * @param message The message. It is copied.
 * @param[out] token What names it; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `message` or its system properties.
 * @retval IOTHUB_ERR_BAD_LENGTH of one of its parts.
 * @retval IOTHUB_ERR_BAD_UTF8 of one of its parts.
 * @retval IOTHUB_ERR_BAD_VALUE `qos` is neither 0 nor 1.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_BAD_TEXT A property has no name.
 * @retval IOTHUB_ERR_MESSAGE_TOO_LARGE The hub would close the connection.
 * @retval IOTHUB_ERR_TOPIC_TOO_LONG The hub would close the connection.
 * @retval IOTHUB_ERR_WRONG_IDENTITY `output` is set, and this is no module.
 * @retval IOTHUB_ERR_TX_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_send_telemetry(struct iothub_client *client,
                                           uint64_t now_ms,
                                           const struct iothub_telemetry *message,
                                           iothub_token *token);

/**
 * Takes a message back: it is not sent (again), and no acknowledgement is reported.
 *
 * @param[out] withdrawn IOTHUB_WITHDRAWN_*; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_STALE It is settled already.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_telemetry_withdraw(struct iothub_client *client,
                                               uint64_t now_ms,
                                               iothub_token token,
                                               uint32_t *withdrawn);

/**
 * Accepts a message: its PUBACK leaves when the earlier messages are decided.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_STALE It was decided before, or its connection is over.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_message_accept(struct iothub_client *client, uint64_t now_ms, iothub_token token);

/**
 * Leaves a message with the hub: no PUBACK, so it comes again on a later connection.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_STALE It was decided before, or its connection is over.
 *
 * @pre `client` points to an iothub_client.
 */
iothub_status iothub_client_message_leave(struct iothub_client *client, uint64_t now_ms, iothub_token token);

/**
 * Answers a direct method, while the event it came in lives. The hub drops a second answer.
 *
 * @param request `u.method_call.request` of the event, or `u.skipped.request`.
 * @param http_status An HTTP-like status of the application's: 200 and the like.
 * @param body JSON, or nothing. At most 128 KiB. It is copied.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of `body` or the request's id.
 * @retval IOTHUB_ERR_BAD_UTF8 of `body` or the request's id.
 * @retval IOTHUB_ERR_BAD_VALUE `http_status` is above 65,535.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_STALE Its connection is over.
 * @retval IOTHUB_ERR_MESSAGE_TOO_LARGE `body` has more than 128 KiB.
 * @retval IOTHUB_ERR_TX_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_method_respond(struct iothub_client *client,
                                           uint64_t now_ms,
                                           const struct iothub_request *request,
                                           uint32_t http_status,
                                           struct iothub_bytes body);

/**
 * As iothub_client_method_respond(), later: the request is what iothub_request_keep() made.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_x as iothub_client_method_respond().
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_method_respond_kept(struct iothub_client *client,
                                                uint64_t now_ms,
                                                const struct iothub_kept_request *kept,
                                                uint32_t http_status,
                                                struct iothub_bytes body);

/**
 * As iothub_client_send_telemetry(), with a payload that the application supplies in parts while the message leaves: from
 * flash, for instance. `message` has only what goes before the parts, often nothing. It takes `part_room` bytes of `tx`
 * instead of the payload's.
 *
 * When it is the message's turn, IOTHUB_EVENT_PART_WANTED asks for one part after another; after a cut, at QoS 1, for all
 * of them again. A driver looks at iothub_client_has_event() before it sleeps, as parts are asked for while bytes leave.
 * Half a message holds up everything behind it: an application that does not supply for `send_timeout_ms` loses its
 * connection (IOTHUB_ERR_TIMED_OUT_SUPPLY).
 *
 * @param parts_len Bytes of all parts.
 * @param part_room Bytes of the largest part. 0 is 1.
 * @param[out] token What names it; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_x as iothub_client_send_telemetry().
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_send_telemetry_parts(struct iothub_client *client,
                                                 uint64_t now_ms,
                                                 const struct iothub_telemetry *message,
                                                 uint32_t parts_len,
                                                 uint32_t part_room,
                                                 iothub_token *token);

/**
 * Supplies the part that IOTHUB_EVENT_PART_WANTED asked for: some bytes, at most as many as there is room for. None at all
 * changes nothing.
 *
 * @param offset `u.part_wanted.offset`.
 * @param bytes The part. It is copied.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of `bytes`.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_STALE This message wants no part now, or one at another offset, as after a cut.
 * @retval IOTHUB_ERR_TOO_LARGE It has more bytes than there is room for.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_telemetry_part(struct iothub_client *client,
                                           uint64_t now_ms,
                                           iothub_token token,
                                           uint32_t offset,
                                           struct iothub_bytes bytes);

/**
 * Asks for the whole twin. It ends in IOTHUB_EVENT_TWIN_DOCUMENT or IOTHUB_EVENT_REQUEST_FAILED.
 *
 * @param[out] token What names the request; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_NOT_SUBSCRIBED without IOTHUB_FEATURE_TWIN.
 * @retval IOTHUB_ERR_TX_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_twin_get(struct iothub_client *client, uint64_t now_ms, iothub_token *token);

/**
 * Reports properties: a JSON merge patch. It ends in IOTHUB_EVENT_TWIN_REPORTED or IOTHUB_EVENT_REQUEST_FAILED.
 *
 * @param patch The patch. It is copied.
 * @param[out] token What names the request; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of `patch`.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_NOT_SUBSCRIBED without IOTHUB_FEATURE_TWIN.
 * @retval IOTHUB_ERR_BAD_PATCH It breaks a rule of twins; see iothub_client_last_error(). Only a library built with the
 * feature `json` looks.
 * @retval IOTHUB_ERR_TX_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
 * @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_twin_report(struct iothub_client *client,
                                        uint64_t now_ms,
                                        struct iothub_bytes patch,
                                        iothub_token *token);

/**
 * Copies the request of an event, to answer it after the event is gone: iothub_client_method_respond_kept().
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL The id is longer than IOTHUB_KEPT_REQUEST_MAX: it can be answered only while its
 * event lives. No hub is known to send such a one.
 *
 * @pre `request` is that of an event that lives; `kept` points to what its type says.
 */
iothub_status iothub_request_keep(const struct iothub_request *request, struct iothub_kept_request *kept);

/**
 * Begins to read a bag: `properties` of iothub_event_message, or any text.
 *
 * @param[out] iter What iothub_properties_next() takes. It lives as long as the bag.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the bag.
 * @retval IOTHUB_ERR_BAD_UTF8 of the bag.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_properties_iter(struct iothub_str bag, struct iothub_property_iter *iter);

/**
 * The next property, system or application, in the order of the bag. Repeated names are kept.
 *
 * @param[out] property The property; zeroed if there is none.
 * @return 1 for a property, 0 if there is no more, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_properties_next(struct iothub_property_iter *iter, struct iothub_received_property *property);

/**
 * The first property of this name, compared decoded: `$.mid` finds `%24.mid`.
 *
 * @param name The name, not encoded.
 * @param[out] property The property; zeroed if there is none.
 * @return 1 if there is one, 0 if not, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the bag or the name.
 * @retval IOTHUB_ERR_BAD_UTF8 of the bag or the name.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_properties_get(struct iothub_str bag, struct iothub_str name, struct iothub_received_property *property);

/**
 * A system property: the first one of its kind that has a value.
 *
 * @param system IOTHUB_SYSTEM_*.
 * @param[out] value Its value, percent-encoded; zeroed if there is none.
 * @return 1 if there is one, 0 if not, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the bag.
 * @retval IOTHUB_ERR_BAD_UTF8 of the bag.
 * @retval IOTHUB_ERR_BAD_VALUE There is no such kind.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_properties_system(struct iothub_str bag, uint32_t system, struct iothub_str *value);

/**
 * Decodes a name or value. Every text is percent-encoded text: what looks like an escape and is none stands for itself.
 *
 * @param encoded The text as it came.
 * @param[out] buffer Where to write to; no NUL is added. `encoded.len` bytes are always enough.
 * @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed, and nothing is written.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of `encoded` or the buffer.
 * @retval IOTHUB_ERR_BAD_UTF8 of `encoded` or the buffer.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 * @retval IOTHUB_ERR_NOT_UTF8 The bytes are written, and are not UTF-8.
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes that are no part of `encoded`.
 */
iothub_status iothub_text_decode(struct iothub_str encoded, char *buffer, size_t buffer_size, size_t *len);

/**
 * Whether a name or value says the same as a text.
 *
 * @param encoded The name or value as it came.
 * @param text The text, not encoded.
 * @return 1 or 0, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of either.
 * @retval IOTHUB_ERR_BAD_UTF8 of either.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_text_equals(struct iothub_str encoded, struct iothub_str text);

/**
 * Finds a value in a document that is in memory: the member of the top object, the member of that, and so on. The version
 * of a twin is at "desired", "$version". Of duplicate members the last counts; names may be spelled with escapes; arrays are
 * not entered. The whole document is checked.
 *
 * @param path The names.
 * @param[out] value The value as it stands in the document: an object with its braces, a text with its quotes. Zeroed if
 * there is none.
 * @return 1 if there is one, 0 if not, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the document or the names.
 * @retval IOTHUB_ERR_BAD_UTF8 of the document or the names.
 * @retval IOTHUB_ERR_BAD_JSON
 *
 * @pre The pointers point to what their types say, `path` to `path_len` names.
 */
int32_t iothub_json_find(struct iothub_bytes document,
                         const struct iothub_str *path,
                         size_t path_len,
                         struct iothub_bytes *value);

/**
 * A value that is a whole number from 0 to UINT64_MAX in plain digits, such as a version.
 *
 * @param value The value, from iothub_json_find(), iothub_json_reader_value() or an iothub_desired_property.
 * @param[out] number The number; zeroed if it is none.
 * @return 1 if it is one, 0 if not, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the value.
 * @retval IOTHUB_ERR_BAD_JSON The value is none.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_json_number(struct iothub_bytes value, uint64_t *number);

/**
 * Decodes a value that is a text. Half of an escaped pair stands for nothing and becomes U+FFFD.
 *
 * @param value The value with its quotes, as for iothub_json_number().
 * @param[out] buffer Where to write to; no NUL is added. `value.len` bytes are always enough.
 * @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
 * @return 1 if it is a text, 0 if not, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the value or the buffer.
 * @retval IOTHUB_ERR_BAD_JSON The value is none.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes that are no part of `value`.
 */
int32_t iothub_json_text(struct iothub_bytes value, char *buffer, size_t buffer_size, size_t *len);

/**
 * Whether a name of a document says the same as a text, however it is spelled there.
 *
 * @param spelled The name as it stands between its quotes: that of an iothub_desired_property.
 * @param text The text, without escapes.
 * @return 1 or 0, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of either.
 * @retval IOTHUB_ERR_BAD_UTF8 of either.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_json_equals(struct iothub_str spelled, struct iothub_str text);

/**
 * Begins to read a document for one value, as iothub_json_find() does, but in pieces, of which none is kept: a 32 KB twin
 * passes through a small buffer. Reads the next document after another call of this.
 *
 * @param reader The place.
 * @param reader_size sizeof *reader.
 * @param path The names, at most 254 bytes each. They, and this array of them, must live as long as the reader is used.
 * @param memory Takes the value, and is the reader's alone as long as it is used. 20 bytes for a version.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `reader_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of the names or the memory.
 * @retval IOTHUB_ERR_BAD_UTF8 of the names or the memory.
 *
 * @pre `reader` points to `reader_size` bytes, `path` to `path_len` names, `memory` to `memory_len` bytes.
 */
iothub_status iothub_json_reader_init(struct iothub_json_reader *reader,
                                      size_t reader_size,
                                      const struct iothub_str *path,
                                      size_t path_len,
                                      uint8_t *memory,
                                      size_t memory_len);

/**
 * Reads the next bytes, which may be cut anywhere.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the bytes.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_json_reader_feed(struct iothub_json_reader *reader, struct iothub_bytes bytes);

/**
 * The value, when the document is complete.
 *
 * @param[out] value The value, in the reader's memory; zeroed if there is none.
 * @return 1 if there is one, 0 if not, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_JSON The document is not complete yet, or ill-formed.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL The value does not fit into the reader's memory.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_json_reader_value(struct iothub_json_reader *reader, struct iothub_bytes *value);

/**
 * Splits the `name` of IOTHUB_EVENT_METHOD_CALL at its first `*`: a command, perhaps of a component.
 *
 * @param[out] component The component; none (NULL) for the default component. It points into `method`.
 * @param[out] name The command, likewise.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the method.
 * @retval IOTHUB_ERR_BAD_UTF8 of the method.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_command_split(struct iothub_str method, struct iothub_str *component, struct iothub_str *name);

/**
 * Begins to split desired properties. An object is a component if its name is among `components`, since a patch may come
 * without the marker, or if it has the marker `"__t":"c"`: then its members are given, and not it. What the hub adds, members
 * whose name begins with `$` such as `$version`, and the marker are left out.
 *
 * @param iter The place.
 * @param iter_size sizeof *iter.
 * @param section IOTHUB_DESIRED_*: what `json` is.
 * @param json The payload of IOTHUB_EVENT_TWIN_DOCUMENT or IOTHUB_EVENT_TWIN_DESIRED. It, the array and the names must live as
 * long as the iterator is used.
 * @param components Names of components; NULL if there are none.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `iter_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of `json` or the names.
 * @retval IOTHUB_ERR_BAD_UTF8 of `json` or the names.
 * @retval IOTHUB_ERR_BAD_VALUE `section` is none.
 * @retval IOTHUB_ERR_BAD_JSON
 *
 * @pre `iter` points to `iter_size` bytes, `components` to `components_len` names.
 */
iothub_status iothub_desired_iter_init(struct iothub_desired_iter *iter,
                                       size_t iter_size,
                                       uint32_t section,
                                       struct iothub_bytes json,
                                       const struct iothub_str *components,
                                       size_t components_len);

/**
 * The next property.
 *
 * @param[out] property The property; zeroed if there is none.
 * @return 1 for a property, 0 if there is no more, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_desired_next(struct iothub_desired_iter *iter, struct iothub_desired_property *property);

/**
 * Begins a patch of reported properties: what iothub_client_twin_report() takes.
 *
 * @param patch The place.
 * @param patch_size sizeof *patch.
 * @param memory Takes the patch, and is its alone until the patch was reported.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `patch_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of the memory.
 *
 * @pre `patch` points to `patch_size` bytes, `memory` to `memory_len`.
 */
iothub_status iothub_patch_init(struct iothub_patch *patch, size_t patch_size, uint8_t *memory, size_t memory_len);

/**
 * Writes one property. Properties of one component are written one after the other. A property is written whole or not at
 * all: when the memory is full, what is there can be finished and reported, and the rest in another patch.
 *
 * @param component The component; none (NULL) for the default component.
 * @param name Its name.
 * @param json Its value as JSON; `null` deletes the property.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the names or the value.
 * @retval IOTHUB_ERR_BAD_UTF8 of the names or the value.
 * @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
 * @retval IOTHUB_ERR_BAD_JSON The value is no JSON.
 * @retval IOTHUB_ERR_DUPLICATE
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_patch_json(struct iothub_patch *patch,
                                struct iothub_str component,
                                struct iothub_str name,
                                struct iothub_bytes json);

/**
 * As iothub_patch_json(), with a text as the value, which is escaped.
 *
 * @param text Its value.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the texts.
 * @retval IOTHUB_ERR_BAD_UTF8 of the texts.
 * @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
 * @retval IOTHUB_ERR_DUPLICATE
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_patch_text(struct iothub_patch *patch,
                                struct iothub_str component,
                                struct iothub_str name,
                                struct iothub_str text);

/**
 * As iothub_patch_json(), with a whole number as the value. The hub takes those of 53 bits.
 *
 * @param number Its value.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the names.
 * @retval IOTHUB_ERR_BAD_UTF8 of the names.
 * @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
 * @retval IOTHUB_ERR_DUPLICATE
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_patch_integer(struct iothub_patch *patch,
                                   struct iothub_str component,
                                   struct iothub_str name,
                                   int64_t number);

/**
 * As iothub_patch_json(), for a writable property: tells what became of it.
 *
 * @param json The value in force: what was desired if that was applied.
 * @param code IOTHUB_ACK_*, or another HTTP-like status.
 * @param version The desired version that the value came with.
 * @param description For people to read; none (NULL) leaves it out.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the texts or the value.
 * @retval IOTHUB_ERR_BAD_UTF8 of the texts or the value.
 * @retval IOTHUB_ERR_BAD_VALUE `code` is above 65,535.
 * @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
 * @retval IOTHUB_ERR_BAD_JSON The value is no JSON.
 * @retval IOTHUB_ERR_DUPLICATE
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_patch_acknowledge(struct iothub_patch *patch,
                                       struct iothub_str component,
                                       struct iothub_str name,
                                       struct iothub_bytes json,
                                       uint32_t code,
                                       uint64_t version,
                                       struct iothub_str description);

/**
 * Ends a patch.
 *
 * @param[out] json The whole patch, in its memory. Without a property it is `{}`.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL The memory had fewer than two bytes from the beginning.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_patch_finish(struct iothub_patch *patch, struct iothub_bytes *json);

/**
 * Whether an event waits that needs no new bytes: iothub_client_handle_input() takes it, in every state.
 *
 * @return 1 or 0, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `client` points to an iothub_client.
 */
int32_t iothub_client_has_event(const struct iothub_client *client);

/**
 * Where the connection is.
 *
 * @return IOTHUB_STATE_*, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `client` points to an iothub_client.
 */
int32_t iothub_client_state(const struct iothub_client *client);

/**
 * What iothub_client_poll_timeout() is about.
 *
 * @return IOTHUB_TIMEOUT_*, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `client` points to an iothub_client.
 */
int32_t iothub_client_timeout_reason(const struct iothub_client *client);

/**
 * What is not settled.
 *
 * @param[out] pending The numbers.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_pending(const struct iothub_client *client, struct iothub_pending *pending);

/**
 * QoS 1 telemetry not acknowledged, sent or not: the first `capacity` of its tokens, oldest first.
 *
 * @param[out] tokens Room for `capacity` tokens; may be NULL if that is 0.
 * @param[out] count How many there are; above `capacity` if there is no room for all.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH `capacity` is larger than any memory.
 *
 * @pre The pointers point to what their types say, `tokens` to room for `capacity` of them.
 */
iothub_status iothub_client_unacked(const struct iothub_client *client,
                                    iothub_token *tokens,
                                    size_t capacity,
                                    size_t *count);

/**
 * Whether a byte of a message has left, so that the hub may have it.
 *
 * @return 1 or 0, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_STALE It is settled already.
 *
 * @pre `client` points to an iothub_client.
 */
int32_t iothub_client_telemetry_sent(const struct iothub_client *client, iothub_token token);

/**
 * Bytes of the largest packet that fits into `tx` now.
 *
 * @return Bytes, at most INT32_MAX, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `client` points to an iothub_client.
 */
int32_t iothub_client_tx_free(const struct iothub_client *client);

/**
 * Acknowledgements and answers that matched nothing since the client was made: a confused peer, or late answers to what
 * was given up.
 *
 * @param[out] strays How many.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_client_strays(const struct iothub_client *client, uint32_t *strays);

/**
 * Takes a connection string apart. Ids and host name are checked later, by iothub_client_init().
 *
 * @param text The text. White space at both ends, such as the line break of a file, is skipped.
 * @param[out] parsed Its parts; they live as long as the text. Zeroed on failure.
 * @param[out] error What is behind a failure; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the text.
 * @retval IOTHUB_ERR_BAD_UTF8 of the text.
 * @retval IOTHUB_ERR_STRING_x The first mistake in the order of the text, then what is missing.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_connection_string_parse(struct iothub_str text,
                                             struct iothub_connection_string *parsed,
                                             struct iothub_error *error);

/**
 * A key of a connection string that means nothing here: worth a warning, as it may be mistyped.
 *
 * @param text A text that iothub_connection_string_parse() took.
 * @param index 0 for the first, and so on.
 * @param[out] key Its name; zeroed if there are not so many.
 * @return 1 if there is one, 0 if not, or a negative status as of iothub_connection_string_parse().
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_connection_string_unknown_key(struct iothub_str text, size_t index, struct iothub_str *key);

/**
 * What HMAC-SHA-256 is to be computed over, with the base64-decoded key, by a TPM, a secure element or the application.
 *
 * @param expiry When the token ends, in seconds since 1970.
 * @param[out] buffer Where to write to; no NUL is added. What it holds after a failure means nothing.
 * @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `resource` or the buffer.
 * @retval IOTHUB_ERR_BAD_LENGTH of `resource` or the buffer.
 * @retval IOTHUB_ERR_BAD_UTF8 of `resource` or the buffer.
 * @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes.
 */
iothub_status iothub_sas_string_to_sign(const struct iothub_resource *resource,
                                        uint32_t expiry,
                                        char *buffer,
                                        size_t buffer_size,
                                        size_t *len);

/**
 * A SAS token from a signature: the `password` of iothub_connect.
 *
 * @param signature HMAC-SHA-256 over what iothub_sas_string_to_sign() gave for the same resource and expiry: 32 bytes.
 * @param expiry When the token ends, in seconds since 1970.
 * @param key_name The hub policy that the key belongs to; none (NULL) for a device's own key.
 * @param[out] buffer Where to write to; no NUL is added. What it holds after a failure means nothing.
 * @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `resource`, `key_name` or the buffer.
 * @retval IOTHUB_ERR_BAD_LENGTH of `resource`, `key_name` or the buffer.
 * @retval IOTHUB_ERR_BAD_UTF8 of `resource`, `key_name` or the buffer.
 * @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes.
 */
iothub_status iothub_sas_token(const struct iothub_resource *resource,
                               const uint8_t *signature,
                               uint32_t expiry,
                               struct iothub_str key_name,
                               char *buffer,
                               size_t buffer_size,
                               size_t *len);

/**
 * Bytes of the longest token for a resource: no expiry and no signature makes a longer one.
 *
 * @param key_name The hub policy that the key belongs to; none (NULL) for a device's own key.
 * @param[out] capacity The bytes.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `resource` or `key_name`.
 * @retval IOTHUB_ERR_BAD_LENGTH of `resource` or `key_name`.
 * @retval IOTHUB_ERR_BAD_UTF8 of `resource` or `key_name`.
 * @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_sas_token_capacity(const struct iothub_resource *resource,
                                        struct iothub_str key_name,
                                        uint32_t *capacity);

/**
 * Takes a key as the portal shows it. Wiping the text is left to the caller.
 *
 * @param key The place.
 * @param key_size sizeof *key.
 * @param base64 The key in base64.
 * @param[out] error What is behind a failure; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `key_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of the text.
 * @retval IOTHUB_ERR_BAD_UTF8 of the text.
 * @retval IOTHUB_ERR_KEY_EMPTY It is no key.
 * @retval IOTHUB_ERR_KEY_BASE64 It is no key.
 * @retval IOTHUB_ERR_KEY_TOO_LONG It is no key.
 *
 * @pre The pointers point to what their types say, `key` to `key_size` bytes.
 */
iothub_status iothub_key_init(struct iothub_key *key,
                              size_t key_size,
                              struct iothub_str base64,
                              struct iothub_error *error);

/**
 * Takes a key that is decoded already.
 *
 * @param key The place.
 * @param key_size sizeof *key.
 * @param bytes 1 to 128 bytes. Wiping them is left to the caller.
 * @param[out] error What is behind a failure; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `key_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of the bytes.
 * @retval IOTHUB_ERR_KEY_EMPTY It is no key.
 * @retval IOTHUB_ERR_KEY_TOO_LONG It is no key.
 *
 * @pre The pointers point to what their types say, `key` to `key_size` bytes.
 */
iothub_status iothub_key_init_bytes(struct iothub_key *key,
                                    size_t key_size,
                                    struct iothub_bytes bytes,
                                    struct iothub_error *error);

/**
 * Wipes a key. Its memory is the caller's again.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre `key` points to an iothub_key.
 */
iothub_status iothub_key_deinit(struct iothub_key *key);

/**
 * HMAC-SHA-256 of a message.
 *
 * @param[out] signature 32 bytes. Written on success only.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the message.
 *
 * @pre The pointers point to what their types say, `signature` to 32 bytes.
 */
iothub_status iothub_key_sign(const struct iothub_key *key, struct iothub_bytes message, uint8_t *signature);

/**
 * A SAS token, signed here: the `password` of iothub_connect.
 *
 * @param expiry When the token ends, in seconds since 1970. The hub refuses one that ended more than about five minutes
 * ago.
 * @param key_name The hub policy that the key belongs to; none (NULL) for a device's own key.
 * @param[out] buffer Where to write to; no NUL is added. iothub_sas_token_capacity() bytes are always enough. What it
 * holds after a failure means nothing.
 * @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes that are enough for every expiry.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `resource`, `key_name` or the buffer.
 * @retval IOTHUB_ERR_BAD_LENGTH of `resource`, `key_name` or the buffer.
 * @retval IOTHUB_ERR_BAD_UTF8 of `resource`, `key_name` or the buffer.
 * @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes.
 */
iothub_status iothub_key_token(const struct iothub_key *key,
                               const struct iothub_resource *resource,
                               uint32_t expiry,
                               struct iothub_str key_name,
                               char *buffer,
                               size_t buffer_size,
                               size_t *len);

/**
 * Makes the key of one device of an enrollment group, whose key `group` is.
 *
 * @param key The place; not that of `group`.
 * @param key_size sizeof *key.
 * @param group The group's key.
 * @param registration_id The device. The service takes it without regard to case, the key depends on it: use one
 * spelling, best in lower case.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `key_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of the id.
 * @retval IOTHUB_ERR_BAD_UTF8 of the id.
 *
 * @pre The pointers point to what their types say, `key` to `key_size` bytes.
 */
iothub_status iothub_key_derive(struct iothub_key *key,
                                size_t key_size,
                                const struct iothub_key *group,
                                struct iothub_str registration_id);

/**
 * The key of one device of an enrollment group in base64, to be stored in the device. Secret: wiping it is left to the
 * caller.
 *
 * @param group The group's key.
 * @param registration_id The device, as for iothub_key_derive().
 * @param[out] buffer Where to write to: IOTHUB_DERIVED_KEY_LEN bytes; no NUL is added.
 * @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the id or the buffer.
 * @retval IOTHUB_ERR_BAD_UTF8 of the id or the buffer.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes.
 */
iothub_status iothub_key_derive_base64(const struct iothub_key *group,
                                       struct iothub_str registration_id,
                                       char *buffer,
                                       size_t buffer_size,
                                       size_t *len);

/**
 * Fills in the defaults, which suit IoT Hub. `policy_size` is sizeof *policy: no more than that is written.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE `policy_size` is not that of this or a later header.
 *
 * @pre `policy` points to `policy_size` bytes.
 */
iothub_status iothub_retry_policy_init(struct iothub_retry_policy *policy, size_t policy_size);

/**
 * No failure yet.
 *
 * @param backoff The place.
 * @param backoff_size sizeof *backoff.
 * @param policy How to retry; NULL for the defaults.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `backoff_size` is too small.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `policy`.
 *
 * @pre The pointers point to what their types say, `backoff` to `backoff_size` bytes.
 */
iothub_status iothub_backoff_init(struct iothub_backoff *backoff,
                                  size_t backoff_size,
                                  const struct iothub_retry_policy *policy);

/**
 * A connection ended, or an attempt failed.
 *
 * @param cause IOTHUB_RETRY_*; iothub_retry_cause() makes one of a status.
 * @param ready_for_ms How long the connection was ready, in milliseconds; 0 if it never was.
 * @param random Any number, evenly distributed.
 * @param[out] retry What to do.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_BAD_VALUE There is no such cause.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_backoff_next(struct iothub_backoff *backoff,
                                  uint32_t cause,
                                  uint32_t ready_for_ms,
                                  uint32_t random,
                                  struct iothub_retry *retry);

/**
 * Forgets all failures, as after a new assignment by the Device Provisioning Service.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre `backoff` points to an iothub_backoff.
 */
iothub_status iothub_backoff_reset(struct iothub_backoff *backoff);

/**
 * Failures in a row.
 *
 * @param[out] failures How many.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_backoff_failures(const struct iothub_backoff *backoff, uint32_t *failures);

/**
 * The IOTHUB_RETRY_* for the status a connection ended with: `u.disconnected.error.status`, or what any call gave.
 */
uint32_t iothub_retry_cause(iothub_status status);

/**
 * Fills in the defaults. `config_size` is sizeof *config: no more than that is written.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE `config_size` is not that of this or a later header.
 *
 * @pre `config` points to `config_size` bytes.
 */
iothub_status iothub_provisioning_config_init(struct iothub_provisioning_config *config, size_t config_size);

/**
 * Who the device is at its hub: copies of the names in an IOTHUB_EVENT_ASSIGNED, for `host_name` and `device_id` of
 * iothub_config. They must stay where they are as long as the client that is made with them.
 *
 * @param assigned `u.assigned` of an event that lives.
 * @param[out] buffer Where to write to; no NUL is added. 253 + 128 bytes are enough for what a hub allows.
 * @param[out] host_name The hub, in `buffer`.
 * @param[out] device_id The device id, in `buffer`.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of `assigned` or the buffer.
 * @retval IOTHUB_ERR_BAD_UTF8 of `assigned` or the buffer.
 * @retval IOTHUB_ERR_BUFFER_TOO_SMALL
 *
 * @pre The pointers point to what their types say, `buffer` to `buffer_size` bytes.
 */
iothub_status iothub_assigned_names(const struct iothub_event_assigned *assigned,
                                    char *buffer,
                                    size_t buffer_size,
                                    struct iothub_str *host_name,
                                    struct iothub_str *device_id);

/**
 * Makes a client of the service in the caller's memory, offline. `config` is not used after the call, but its texts and its
 * payload are; they and `tx` must live as long as the client, and `tx` is the client's alone.
 *
 * @param provisioning The place.
 * @param provisioning_size sizeof *provisioning.
 * @param tx Memory for one packet to send at a time.
 * @param[out] error What is behind a failure; may be NULL.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `provisioning_size` is too small.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `config`.
 * @retval IOTHUB_ERR_BAD_LENGTH of a text, the payload or `tx`.
 * @retval IOTHUB_ERR_BAD_UTF8 of a text, the payload or `tx`.
 * @retval IOTHUB_ERR_BAD_TEXT A name cannot be sent, or the payload is no JSON; `error` has the field and the offset.
 * @retval IOTHUB_ERR_BAD_SETTING A setting is out of its range; `error` tells which.
 * @retval IOTHUB_ERR_MESSAGE_TOO_LARGE The payload is larger than the service takes.
 * @retval IOTHUB_ERR_TOO_LARGE `tx` cannot hold the largest packet; `error` has the bytes needed.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say, `provisioning` to `provisioning_size` bytes, `tx` to `tx_len`.
 */
iothub_status iothub_provisioning_init(struct iothub_provisioning *provisioning,
                                       size_t provisioning_size,
                                       const struct iothub_provisioning_config *config,
                                       uint8_t *tx,
                                       size_t tx_len,
                                       struct iothub_error *error);

/**
 * Ends a client and wipes what is left of a password. Its memory is the caller's again. Call it in any state; the
 * transport is not told.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
iothub_status iothub_provisioning_deinit(struct iothub_provisioning *provisioning);

/**
 * The transport is up: sign in, and register. What an earlier connection has asked for is asked for again; `now_ms` may be
 * earlier than before.
 *
 * @param password A token for IOTHUB_RESOURCE_REGISTRATION, with the key name `registration`; none (NULL) with X.509.
 * @param random Any random number, for jitter: a fleet must not ask at the same moment.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH of the password.
 * @retval IOTHUB_ERR_BAD_UTF8 of the password.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_INVALID_STATE There is a connection.
 * @retval IOTHUB_ERR_BAD_TEXT The password cannot be sent.
 * @retval IOTHUB_ERR_TOO_LARGE CONNECT is larger than `tx`, or than its reserve.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_provisioning_connect(struct iothub_provisioning *provisioning,
                                          uint64_t now_ms,
                                          struct iothub_str password,
                                          uint32_t random);

/**
 * As iothub_client_handle_input(): bytes came in, or an event waits.
 *
 * @param data The bytes; NULL if `len` is 0.
 * @param[out] consumed How many are done with: drop exactly those from the front, when the event is done with.
 * @param[out] needed The full size of a packet that is incomplete in what then remains, as far as known; else 0. May be
 * NULL.
 * @param[out] event What happened, or IOTHUB_EVENT_NONE: of the kinds CONNECTED, READY, ASSIGNING, THROTTLED, ASSIGNED,
 * REFUSED and DISCONNECTED. Its pointers point into `data`.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH `len` is larger than any memory.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_PEER_x Fatal: the service broke the protocol.
 * @retval IOTHUB_ERR_REFUSED_x Fatal: the service refused the connection.
 * @retval IOTHUB_ERR_REGISTRATION_x Fatal: the service did not assign the device.
 * @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed.
 *
 * @pre The pointers point to what their types say, `data` to `len` bytes.
 */
iothub_status iothub_provisioning_handle_input(struct iothub_provisioning *provisioning,
                                               uint64_t now_ms,
                                               const uint8_t *data,
                                               size_t len,
                                               size_t *consumed,
                                               size_t *needed,
                                               struct iothub_event *event);

/**
 * As iothub_client_poll_event(): the next event out of `rx`.
 *
 * @param[out] event What happened, or IOTHUB_EVENT_NONE. Its pointers point into the memory of `rx` and live until the next
 * call that takes `rx`.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above, of either.
 * @retval IOTHUB_ERR_MISALIGNED as said above, of either.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above, of either.
 * @retval IOTHUB_ERR_INTERNAL as said above, of either.
 * @retval IOTHUB_ERR_RX_TOO_SMALL `rx` has less memory than `max_packet` of iothub_provisioning_config.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_PEER_x as
 * @retval IOTHUB_ERR_REFUSED_x as
 * @retval IOTHUB_ERR_REGISTRATION_x as
 * @retval IOTHUB_ERR_TIMED_OUT_x as
 * iothub_provisioning_handle_input().
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_provisioning_poll_event(struct iothub_provisioning *provisioning,
                                             uint64_t now_ms,
                                             struct iothub_rx *rx,
                                             struct iothub_event *event);

/**
 * As iothub_client_has_event(): whether an event waits that needs no new bytes.
 *
 * @return 1 or 0, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
int32_t iothub_provisioning_has_event(const struct iothub_provisioning *provisioning);

/**
 * As iothub_client_poll_transmit(): the bytes to send next, lent until they are confirmed.
 *
 * @param[out] data The first byte, or NULL if there is nothing to send.
 * @return How many, 0 for nothing, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say.
 */
int32_t iothub_provisioning_poll_transmit(struct iothub_provisioning *provisioning, const uint8_t **data);

/**
 * As iothub_client_confirm_transmit(): the first `count` of the bytes lent were sent.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_BAD_CONFIRM That is more than was lent.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
iothub_status iothub_provisioning_confirm_transmit(struct iothub_provisioning *provisioning,
                                                   uint64_t now_ms,
                                                   size_t count);

/**
 * As iothub_client_poll_timeout(): when to call iothub_provisioning_handle_timeout(); IOTHUB_NEVER if there is no deadline,
 * and for what is no client.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
uint64_t iothub_provisioning_poll_timeout(const struct iothub_provisioning *provisioning);

/**
 * What iothub_provisioning_poll_timeout() is about.
 *
 * @return IOTHUB_TIMEOUT_*, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
int32_t iothub_provisioning_timeout_reason(const struct iothub_provisioning *provisioning);

/**
 * As iothub_client_handle_timeout(): the time has come.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed.
 * @retval IOTHUB_ERR_PEER_x The fatal error that came before.
 * @retval IOTHUB_ERR_REFUSED_x The fatal error that came before.
 * @retval IOTHUB_ERR_REGISTRATION_x The fatal error that came before.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
iothub_status iothub_provisioning_handle_timeout(struct iothub_provisioning *provisioning, uint64_t now_ms);

/**
 * As iothub_client_handle_eof(): the transport is gone.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
iothub_status iothub_provisioning_handle_eof(struct iothub_provisioning *provisioning, uint64_t now_ms);

/**
 * As iothub_client_disconnect(): a polite end, for instance to give up. After IOTHUB_EVENT_ASSIGNED it comes by itself.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_INVALID_STATE The connection has ended in a fatal error.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
iothub_status iothub_provisioning_disconnect(struct iothub_provisioning *provisioning, uint64_t now_ms);

/**
 * Where the connection is.
 *
 * @return IOTHUB_STATE_*, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `provisioning` points to an iothub_provisioning.
 */
int32_t iothub_provisioning_state(const struct iothub_provisioning *provisioning);

/**
 * Makes a WebSocket in the caller's memory, offline.
 *
 * @param websocket The place.
 * @param websocket_size sizeof *websocket.
 * @param window Where frames are masked; it must live as long as the WebSocket, and is its alone. It holds the request,
 * which has 168 bytes beside the host, the path and, without client certificate, 28 more: 512 do for every hub. Large
 * packets go in frames of this size.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_OBJECT_SIZE `websocket_size` is too small.
 * @retval IOTHUB_ERR_BAD_LENGTH of the window.
 *
 * @pre `websocket` points to `websocket_size` bytes, `window` to `window_len`.
 */
iothub_status iothub_websocket_init(struct iothub_websocket *websocket,
                                    size_t websocket_size,
                                    uint8_t *window,
                                    size_t window_len);

/**
 * Ends a WebSocket and wipes what was not sent. Its memory is the caller's again.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `websocket` points to an iothub_websocket.
 */
iothub_status iothub_websocket_deinit(struct iothub_websocket *websocket);

/**
 * The transport is up: ask the server to upgrade. The client above connects at the same time; what it has to send waits.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_STRUCT_SIZE of `upgrade`.
 * @retval IOTHUB_ERR_BAD_LENGTH of `upgrade`.
 * @retval IOTHUB_ERR_BAD_UTF8 of `upgrade`.
 * @retval IOTHUB_ERR_BAD_VALUE of `upgrade`.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_INVALID_STATE There is a connection.
 * @retval IOTHUB_ERR_BAD_TEXT The host or the path cannot be sent.
 * @retval IOTHUB_ERR_BAD_SETTING `timeout_ms` is 0.
 * @retval IOTHUB_ERR_TOO_LARGE The window cannot hold the request.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_websocket_connect(struct iothub_websocket *websocket,
                                       uint64_t now_ms,
                                       const struct iothub_upgrade *upgrade);

/**
 * Bytes came in: takes all of them, and leaves MQTT's at their front. Read into iothub_rx_space(), call this, and give
 * `*mqtt_len` to iothub_rx_commit().
 *
 * @param bytes What came in; changed in place. NULL if `len` is 0.
 * @param[out] mqtt_len How many bytes of MQTT stand at the front of `bytes` now.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH `len` is larger than any memory.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_INVALID_STATE There is no connection.
 * @retval IOTHUB_ERR_PEER_WEBSOCKET
 * @retval IOTHUB_ERR_PEER_WEBSOCKET_CLOSED
 * @retval IOTHUB_ERR_REFUSED_WEBSOCKET,
 * IOTHUB_ERR_TIMED_OUT_WEBSOCKET Fatal. What is still to be sent then tells the server why: send until
 * IOTHUB_WEBSOCKET_CLOSED.
 *
 * @pre The pointers point to what their types say, `bytes` to `len` bytes.
 */
iothub_status iothub_websocket_handle_input(struct iothub_websocket *websocket,
                                            uint64_t now_ms,
                                            uint8_t *bytes,
                                            size_t len,
                                            size_t *mqtt_len);

/**
 * The bytes to send next, lent until they are confirmed.
 *
 * @param mqtt What the client above lends: call its _poll_transmit() each time. NULL if `mqtt_len` is 0.
 * @param[out] data The first byte, or NULL if there is nothing to send.
 * @return How many, 0 for nothing, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_LENGTH `mqtt_len` is larger than any memory.
 *
 * @pre The pointers point to what their types say, `mqtt` to `mqtt_len` bytes.
 */
int32_t iothub_websocket_poll_transmit(struct iothub_websocket *websocket,
                                       const uint8_t *mqtt,
                                       size_t mqtt_len,
                                       const uint8_t **data);

/**
 * The first `count` of the bytes lent were sent.
 *
 * @param[out] mqtt_count How many of them were MQTT's: confirm so many to the client above.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_BAD_CONFIRM That is more than was lent.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_websocket_confirm_transmit(struct iothub_websocket *websocket,
                                                uint64_t now_ms,
                                                size_t count,
                                                size_t *mqtt_count);

/**
 * When to call iothub_websocket_handle_timeout(), beside that of the client above; IOTHUB_NEVER if there is no deadline, and
 * for what is no WebSocket.
 *
 * @pre `websocket` points to an iothub_websocket.
 */
uint64_t iothub_websocket_poll_timeout(const struct iothub_websocket *websocket);

/**
 * The time has come. Early calls do nothing, late ones are safe.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 * @retval IOTHUB_ERR_PEER_WEBSOCKET
 * @retval IOTHUB_ERR_PEER_WEBSOCKET_CLOSED
 * @retval IOTHUB_ERR_REFUSED_WEBSOCKET,
 * IOTHUB_ERR_TIMED_OUT_WEBSOCKET as iothub_websocket_handle_input().
 *
 * @pre `websocket` points to an iothub_websocket.
 */
iothub_status iothub_websocket_handle_timeout(struct iothub_websocket *websocket, uint64_t now_ms);

/**
 * The transport is gone.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 *
 * @pre `websocket` points to an iothub_websocket.
 */
iothub_status iothub_websocket_handle_eof(struct iothub_websocket *websocket, uint64_t now_ms);

/**
 * A polite end, after that of the client above: a last frame, and the server's answer to it, for which it waits 2 s at
 * most. It is over at IOTHUB_WEBSOCKET_CLOSED. A frame of which a byte has left is finished, but none of it is to be
 * confirmed to the client any more.
 *
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 * @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
 *
 * @pre `websocket` points to an iothub_websocket.
 */
iothub_status iothub_websocket_disconnect(struct iothub_websocket *websocket, uint64_t now_ms);

/**
 * Where the WebSocket is.
 *
 * @return IOTHUB_WEBSOCKET_*, or a negative status:
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre `websocket` points to an iothub_websocket.
 */
int32_t iothub_websocket_state(const struct iothub_websocket *websocket);

/**
 * The fatal error of this connection, or of the last one.
 *
 * @param[out] error The error; its `status` is IOTHUB_OK if there was none.
 * @retval IOTHUB_OK
 * @retval IOTHUB_ERR_NULL as said above.
 * @retval IOTHUB_ERR_MISALIGNED as said above.
 * @retval IOTHUB_ERR_NOT_INITIALIZED as said above.
 * @retval IOTHUB_ERR_INTERNAL as said above.
 *
 * @pre The pointers point to what their types say.
 */
iothub_status iothub_websocket_error(const struct iothub_websocket *websocket, struct iothub_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* IOTHUB_H */
