/* Payloads larger than the buffers: pieces that come, parts that leave, the hub's bytes written by hand. */
#include "packets.h"

#define DEVICEBOUND "devices/dev1/messages/devicebound/"
#define AT (check_caller = __LINE__)

IOTHUB_STORAGE_WITH(storage, 2048, 6, 2);
static iothub_client client;
static iothub_event event;
static packets hub, sent, pieces;
static uint64_t now = 5000;

static void collect(void)
{
    packets_collect(&sent, &client, now);
}

/* Feeds at most `chunk` bytes of `hub`, until an event of another kind than a piece comes: that is left in
 * `event`, whose pointers are of no use any more. */
static void next_event(size_t chunk)
{
    for (;;) {
        size_t consumed, needed, len = hub.len < chunk ? hub.len : chunk;
        CHECK_EQ(iothub_client_handle_input(&client, now, hub.bytes, len, &consumed, &needed, &event), IOTHUB_OK);
        if (event.kind == IOTHUB_EVENT_STREAM_PIECE) {
            CHECK_EQ(event.u.stream_piece.offset, pieces.len);
            packets_put(&pieces, event.u.stream_piece.bytes.ptr, event.u.stream_piece.bytes.len);
        }
        memmove(hub.bytes, hub.bytes + consumed, hub.len - consumed);
        hub.len -= consumed;
        if (event.kind != IOTHUB_EVENT_NONE && event.kind != IOTHUB_EVENT_STREAM_PIECE)
            return;
        /* What was not consumed comes again, and more with it. */
        CHECK(consumed > 0 || len < hub.len);
        if (consumed == 0)
            chunk = needed > chunk ? needed : chunk + 1;
    }
}

static void expect_event(size_t chunk, uint32_t kind)
{
    next_event(chunk);
    CHECK_EQ(event.kind, kind);
}

static iothub_status init(uint8_t stream_payloads)
{
    iothub_config config;
    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    CHECK_EQ(config.stream_payloads, 0);
    config.host_name = IOTHUB_STR("h.net");
    config.device_id = IOTHUB_STR("dev1");
    config.max_packet = 128;
    config.keep_alive = 0;
    config.connect_reserve = 400;
    config.stream_payloads = stream_payloads;
    return iothub_client_init(&client, sizeof client, &config, &storage, NULL);
}

static void sign_in(void)
{
    static const iothub_connect plain = IOTHUB_CONNECT_INIT;
    CHECK_EQ(iothub_client_connect(&client, now, &plain), IOTHUB_OK);
    collect();
    packets_put(&hub, "\x20\x02\x01\x00", 4);
    AT, expect_event(4, IOTHUB_EVENT_CONNECTED);
    collect();
    packets_put(&hub, "\x90\x06\xff\xff\x01\x01\x01\x01", 8);
    AT, expect_event(8, IOTHUB_EVENT_READY);
    collect(); /* the fetch of the twin */
}

/* A PUBLISH whose payload is `before`, 300 times 'x', and `behind`. */
static void publish_large(uint8_t first, const char *topic, const char *before, const char *behind)
{
    char payload[400];
    size_t len = strlen(before);
    memcpy(payload, before, len);
    memset(payload + len, 'x', 300);
    memcpy(payload + len + 300, behind, strlen(behind) + 1);
    packets_publish(&hub, first, topic, 7, payload);
}

static void check_pieces(const char *before, const char *behind)
{
    size_t len = strlen(before);
    CHECK_EQ(pieces.len, len + 300 + strlen(behind));
    CHECK_MEM(pieces.bytes, len, before, len);
    CHECK_MEM(pieces.bytes + len + 300, strlen(behind), behind, strlen(behind));
    pieces.len = 0;
}

static void payloads_come_in_pieces(size_t chunk)
{
    static const char before[] = "{\"desired\":{\"a\":\"", behind[] = "\",\"$version\":9},\"reported\":{}}";
    iothub_kept_request kept;

    CHECK_EQ(init(1), IOTHUB_OK);
    sign_in();
    publish_large(0x30, "$iothub/twin/res/200/?$rid=s00000001", before, behind);
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_BEGIN);
    CHECK_EQ(event.u.stream_begin.source, IOTHUB_STREAM_TWIN_DOCUMENT);
    CHECK_EQ(event.u.stream_begin.payload_len, sizeof before - 1 + 300 + sizeof behind - 1);
    CHECK_EQ(event.u.stream_begin.token, IOTHUB_TOKEN_NONE);
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_END);
    CHECK_EQ(event.u.stream_end.source, IOTHUB_STREAM_TWIN_DOCUMENT);
    CHECK(event.u.stream_end.version == 9 && !event.u.stream_end.stale);
    check_pieces(before, behind);

    publish_large(0x3a, DEVICEBOUND "room=1", "m", "");
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_BEGIN);
    CHECK_EQ(event.u.stream_begin.source, IOTHUB_STREAM_MESSAGE);
    CHECK(event.u.stream_begin.redelivered && event.u.stream_begin.name.ptr == NULL);
    CHECK_EQ(event.u.stream_begin.properties.len, 6);
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_END);
    CHECK_EQ(event.u.stream_end.version, IOTHUB_VERSION_NONE);
    check_pieces("m", "");
    collect();
    CHECK_EQ(sent.len, 0);
    CHECK_EQ(iothub_client_message_accept(&client, now, event.u.stream_end.token), IOTHUB_OK);
    collect();
    CHECK_MEM(sent.bytes, sent.len, "\x40\x02\x00\x07", 4);

    publish_large(0x30, "$iothub/methods/POST/install/?$rid=5", "", "");
    {
        size_t consumed, needed;
        CHECK_EQ(iothub_client_handle_input(&client, now, hub.bytes, 128, &consumed, &needed, &event), IOTHUB_OK);
        CHECK_EQ(event.u.stream_begin.source, IOTHUB_STREAM_METHOD_CALL);
        CHECK_STR(event.u.stream_begin.name, "install");
        CHECK_EQ(iothub_request_keep(&event.u.stream_begin.request, &kept), IOTHUB_OK);
        memmove(hub.bytes, hub.bytes + consumed, hub.len -= consumed);
    }
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_END);
    CHECK_EQ(event.u.stream_end.source, IOTHUB_STREAM_METHOD_CALL);
    check_pieces("", "");
    CHECK_EQ(iothub_client_method_respond_kept(&client, now, &kept, 200, IOTHUB_BYTES_STR("{}")), IOTHUB_OK);
    collect();
    CHECK(sent.len > 0 && sent.bytes[0] == 0x30);

    publish_large(0x30, "$iothub/twin/PATCH/properties/desired/?$version=10", "", "");
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_BEGIN);
    CHECK(event.u.stream_begin.source == IOTHUB_STREAM_TWIN_DESIRED && !event.u.stream_begin.unsynced);
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_END);
    CHECK(event.u.stream_end.source == IOTHUB_STREAM_TWIN_DESIRED && event.u.stream_end.version == 10);
    check_pieces("", "");

    publish_large(0x31, "elsewhere", "", "");
    AT, expect_event(128, IOTHUB_EVENT_STREAM_BEGIN);
    CHECK(event.u.stream_begin.source == IOTHUB_STREAM_UNKNOWN && event.u.stream_begin.retain);
    AT, expect_event(chunk, IOTHUB_EVENT_STREAM_END);
    CHECK_EQ(event.u.stream_end.source, IOTHUB_STREAM_UNKNOWN);
    check_pieces("", "");
    CHECK_EQ(iothub_client_deinit(&client), IOTHUB_OK);
}

static void payloads_leave_in_parts(void)
{
    static char payload[300];
    static packets wanted, whole;
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_token token, other;
    iothub_error error;
    uint32_t offset = 0;
    size_t at;

    for (at = 0; at < sizeof payload; at++)
        payload[at] = (char)('a' + at % 26);
    CHECK_EQ(init(0), IOTHUB_OK);
    sign_in();
    message.payload = IOTHUB_BYTES_STR("log:");
    CHECK_EQ(iothub_client_send_telemetry_parts(&client, now, &message, 256 * 1024, 64, &token),
             IOTHUB_ERR_MESSAGE_TOO_LARGE);
    CHECK_EQ(token, IOTHUB_TOKEN_NONE);
    CHECK_EQ(iothub_client_send_telemetry_parts(&client, now, &message, sizeof payload, 64, &token), IOTHUB_OK);
    CHECK_EQ(iothub_client_telemetry_part(&client, now, token, 0, IOTHUB_BYTES(payload, 1)), IOTHUB_ERR_STALE);
    collect();
    packets_put(&whole, sent.bytes, sent.len);
    CHECK_EQ(iothub_client_timeout_reason(&client), IOTHUB_TIMEOUT_SUPPLY);
    while (iothub_client_has_event(&client) == 1) {
        uint32_t room;
        AT, expect_event(0, IOTHUB_EVENT_PART_WANTED);
        CHECK_EQ(event.u.part_wanted.token, token);
        CHECK_EQ(event.u.part_wanted.offset, offset);
        room = event.u.part_wanted.room;
        CHECK_EQ(room, offset < 256 ? 64 : 300 - 256);
        CHECK_EQ(iothub_client_telemetry_part(&client, now, token, offset, IOTHUB_BYTES(payload, room + 1)),
                 IOTHUB_ERR_TOO_LARGE);
        CHECK_EQ(iothub_client_telemetry_part(&client, now, token, offset, IOTHUB_BYTES(payload + offset, room)),
                 IOTHUB_OK);
        offset += room;
        collect();
        packets_put(&whole, sent.bytes, sent.len);
    }
    CHECK_EQ(offset, sizeof payload);
    {
        static char body[304];
        memcpy(body, "log:", 4);
        memcpy(body + 4, payload, sizeof payload);
        packets_publish_n(&wanted, 0x32, "devices/dev1/messages/events/", 29, 1, body, sizeof body);
    }
    CHECK_MEM(whole.bytes, whole.len, wanted.bytes, wanted.len);
    packets_put(&hub, "\x40\x02\x00\x01", 4);
    AT, expect_event(4, IOTHUB_EVENT_TELEMETRY_ACKED);
    CHECK_EQ(event.u.telemetry_acked.token, token);

    /* One that nobody supplies. */
    CHECK_EQ(iothub_client_send_telemetry_parts(&client, now, &message, 10, 0, &other), IOTHUB_OK);
    collect();
    AT, expect_event(0, IOTHUB_EVENT_PART_WANTED);
    CHECK(event.u.part_wanted.token == other && event.u.part_wanted.room == 1);
    now = iothub_client_poll_timeout(&client);
    CHECK_EQ(iothub_client_handle_timeout(&client, now), IOTHUB_ERR_TIMED_OUT_SUPPLY);
    CHECK_EQ(iothub_client_last_error(&client, &error), IOTHUB_OK);
    CHECK_EQ(error.status, IOTHUB_ERR_TIMED_OUT_SUPPLY);
    AT, expect_event(0, IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(event.u.disconnected.error.status, IOTHUB_ERR_TIMED_OUT_SUPPLY);
    CHECK_EQ(iothub_client_deinit(&client), IOTHUB_OK);
}

int main(void)
{
    CHECK_EQ(init(2), IOTHUB_ERR_BAD_VALUE);
    payloads_come_in_pieces(1);
    payloads_come_in_pieces(50);
    payloads_come_in_pieces(4096);
    payloads_leave_in_parts();
    return 0;
}
