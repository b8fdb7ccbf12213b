/* tests/vectors/bad_inputs.json through C: bytes that no hub should send, whole, split at every place, and one by one. */
#include "packets.h"

#define MAX_EVENTS 8

enum { STATE_CONNECTING, STATE_CONNECTING_CLEAN, STATE_SUBSCRIBING, STATE_CONNECTED };

typedef struct seen {
    uint32_t kind;
    bool flag;
} seen;

typedef struct bad_row {
    int row, state;
    iothub_str bytes;
    seen events[MAX_EVENTS];
    iothub_status status;
    uint32_t offset, strays;
    iothub_str sent;
} bad_row;

#include "bad_bytes_table.h"

IOTHUB_STORAGE(storage, 2048, 8);
static iothub_client client;
static const uint64_t now = 1000;
static packets sent;
static iothub_token kept;
static struct {
    seen events[MAX_EVENTS];
    size_t len;
    iothub_status status;
    iothub_error error;
} came;

static void collect(void)
{
    packets_collect(&sent, &client, now);
}

static void note(const iothub_event *event)
{
    seen *to = &came.events[came.len++];
    CHECK(came.len < MAX_EVENTS);
    to->kind = event->kind;
    switch (event->kind) {
    case IOTHUB_EVENT_CONNECTED:
        to->flag = event->u.connected.session_present;
        break;
    case IOTHUB_EVENT_READY:
        to->flag = event->u.ready.refused != 0;
        CHECK(event->u.ready.refused == 0 || event->u.ready.refused == IOTHUB_FEATURE_MESSAGES);
        break;
    case IOTHUB_EVENT_UNKNOWN:
        to->flag = event->u.unknown.retain;
        break;
    case IOTHUB_EVENT_TELEMETRY_ACKED:
        CHECK_EQ(event->u.telemetry_acked.token, kept);
        break;
    case IOTHUB_EVENT_DISCONNECTED:
        CHECK_EQ(event->u.disconnected.reason, IOTHUB_DISCONNECT_FAILED);
        came.error = event->u.disconnected.error;
        break;
    default:
        CHECK(false);
    }
}

/* Feeds what stands at `*bytes`, of which the hub has sent `until`, to its end; what is consumed is passed over. */
static void feed(const char **bytes, const char *until)
{
    iothub_event event;
    size_t consumed;
    do {
        came.status = iothub_client_handle_input(&client, now, (const uint8_t *)*bytes, (size_t)(until - *bytes), &consumed,
                                                 NULL, &event);
        *bytes += consumed;
        if (came.status == IOTHUB_OK && event.kind != IOTHUB_EVENT_NONE)
            note(&event);
    } while (came.status == IOTHUB_OK && (consumed > 0 || event.kind != IOTHUB_EVENT_NONE));
}

static void feed_all(const char *bytes, size_t len)
{
    feed(&bytes, bytes + len);
}

/* A client in the row's state, with one QoS 1 message. */
static void bring(const bad_row *row)
{
    iothub_config config;
    iothub_connect options = IOTHUB_CONNECT_INIT;
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    config.host_name = IOTHUB_STR("contoso.azure-devices.net");
    config.device_id = IOTHUB_STR("dev1");
    config.features = IOTHUB_FEATURE_MESSAGES;
    config.keep_alive = 0;
    config.clean_session = row->state == STATE_CONNECTING_CLEAN;
    CHECK_EQ(iothub_client_init(&client, sizeof client, &config, &storage, NULL), IOTHUB_OK);
    message.payload = IOTHUB_BYTES_STR("kept");
    CHECK_EQ(iothub_client_send_telemetry(&client, now, &message, &kept), IOTHUB_OK);
    CHECK_EQ(iothub_client_connect(&client, now, &options), IOTHUB_OK);
    collect();
    if (row->state == STATE_SUBSCRIBING || row->state == STATE_CONNECTED) {
        feed_all("\x20\x02\x00\x00", 4);
        collect();
    }
    if (row->state == STATE_CONNECTED) {
        feed_all("\x90\x03\xff\xff\x01", 5);
        collect();
        CHECK(sent.len > 0 && sent.bytes[0] == 0x32);
    }
    memset(&came, 0, sizeof came);
}

/* What must come of it, and that the client lives, or that another connection makes it live. */
static void check(const bad_row *row)
{
    size_t index;
    iothub_event event;
    uint32_t strays;
    for (index = 0; row->events[index].kind != IOTHUB_EVENT_NONE; index++) {
        CHECK_EQ(came.events[index].kind, row->events[index].kind);
        CHECK_EQ(came.events[index].flag, row->events[index].flag);
    }
    CHECK_EQ(came.status, row->status);
    if (row->status == IOTHUB_OK) {
        CHECK_EQ(came.len, index);
        CHECK_EQ(iothub_client_strays(&client, &strays), IOTHUB_OK);
        CHECK_EQ(strays, row->strays);
        collect();
        CHECK_MEM(sent.bytes, sent.len, row->sent.ptr, row->sent.len);
        return;
    }
    CHECK_EQ(came.len, index + 1);
    CHECK_EQ(came.events[index].kind, IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(came.error.status, row->status);
    CHECK_EQ(came.error.offset, row->offset);
    CHECK(iothub_status_is_fatal(row->status));
    CHECK_EQ(iothub_client_handle_timeout(&client, now), row->status);
    CHECK_EQ(iothub_client_handle_input(&client, now, NULL, 0, &index, NULL, &event), row->status);
    collect();
    CHECK_EQ(sent.len, 0);
    {
        iothub_connect options = IOTHUB_CONNECT_INIT;
        CHECK_EQ(iothub_client_connect(&client, now, &options), IOTHUB_OK);
        collect();
        feed_all("\x20\x02\x00\x00", 4);
        collect();
        feed_all("\x90\x03\xff\xff\x01", 5);
        collect();
        CHECK(sent.len > 0 && sent.bytes[0] == 0x32);
        came.len = 0;
        feed_all("\x40\x02\x00\x01", 4);
        CHECK(came.len == 1 && came.events[0].kind == IOTHUB_EVENT_TELEMETRY_ACKED);
    }
}

int main(void)
{
    size_t index, split;
    for (index = 0; index < sizeof bad_rows / sizeof *bad_rows; index++) {
        const bad_row *row = &bad_rows[index];
        const char *bytes = row->bytes.ptr, *end = bytes + row->bytes.len;
        check_caller = row->row;
        for (split = 0; split < row->bytes.len; split++) {
            bring(row);
            bytes = row->bytes.ptr;
            if (split > 0)
                feed(&bytes, row->bytes.ptr + split);
            if (came.status == IOTHUB_OK)
                feed(&bytes, end);
            check(row);
        }
        bring(row);
        bytes = row->bytes.ptr;
        for (split = 1; split <= row->bytes.len && came.status == IOTHUB_OK; split++)
            feed(&bytes, row->bytes.ptr + split);
        check(row);
    }
    return 0;
}
