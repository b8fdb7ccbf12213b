/* The world in which bad_input.py's calls are made: begin() makes everything good, anew. */
#ifndef BAD_INPUT_H
#define BAD_INPUT_H

#include "check.h"

#define NOW 1000
#define BAG IOTHUB_STR("%24.mid=m&a=1")
#define NO_TEXT bad_str(NULL, 0)
#define SOME_BYTES IOTHUB_BYTES_STR("{}")
#define KEY_TEXT IOTHUB_STR("AAECAwQFBgcICQoLDA0ODw==")
#define CONNECTION_STRING IOTHUB_STR("HostName=h;DeviceId=d;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==")
#define BAD_UTF8 "\xff\xff"
#define CHECK_ZEROED(what) check_that(zeros(&(what), sizeof(what)), "zeroed: " #what, __FILE__, __LINE__)

static uint8_t tx[1024], provisioning_tx[1024], window[512], memory[4096], value_memory[8], patch_memory[128];
static uint8_t signature[32], data_in[4];
static iothub_slot slots[4];
static iothub_inbound inbound[4];
static iothub_client client;
static iothub_provisioning provisioning;
static iothub_provisioning_config provisioning_config;
static iothub_event_assigned assigned;
static iothub_websocket websocket;
static iothub_upgrade upgrade;
static iothub_rx rx;
static iothub_key key, key_out;
static iothub_backoff backoff;
static iothub_json_reader reader;
static iothub_desired_iter desired;
static iothub_patch patch;
static iothub_config config;
static iothub_storage storage;
static iothub_connect connect_options;
static iothub_telemetry message;
static iothub_property pair;
static iothub_system_properties system_properties;
static iothub_resource resource;
static iothub_retry_policy policy;
static iothub_request request;
static iothub_kept_request kept, kept_out;
static iothub_property_iter iter, iter_out;
static iothub_event event;
static iothub_error error;
static iothub_pending pending;
static iothub_retry retry;
static iothub_received_property property;
static iothub_connection_string parsed;
static iothub_str text_out, name_out, path;
static iothub_bytes bytes_out;
static iothub_desired_property desired_property;
static uint64_t wide_out;
static iothub_token token_out, tokens[4];
static const uint8_t *pointer_out;
static uint8_t *space_out;
static size_t size_consumed, size_needed, size_mqtt_len, size_mqtt_count, size_count, size_len, size_space_len, len;
static uint32_t number_withdrawn, number_strays, number_capacity, number_failures;
static char buffer[256];
/* Aligned for nothing wider than a byte. */
static uint64_t crooked_room[128];
static uint8_t *const crooked = (uint8_t *)crooked_room + 1;

static struct everything {
    iothub_client client;
    iothub_provisioning provisioning;
    iothub_websocket websocket;
    iothub_rx rx;
    iothub_key key;
    iothub_backoff backoff;
    iothub_json_reader reader;
    iothub_desired_iter desired;
    iothub_patch patch;
} zeroed, other;

static iothub_str bad_str(const char *ptr, size_t size)
{
    iothub_str text;
    text.ptr = ptr;
    text.len = size;
    return text;
}

static iothub_bytes bad_bytes(const char *ptr, size_t size)
{
    return IOTHUB_BYTES(ptr, size);
}

static bool zeros(const void *what, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++)
        if (((const uint8_t *)what)[i] != 0)
            return false;
    return true;
}

static void send_all(void)
{
    const uint8_t *out;
    int32_t lent;
    while ((lent = iothub_client_poll_transmit(&client, &out)) > 0)
        CHECK_EQ(iothub_client_confirm_transmit(&client, NOW, (size_t)lent), IOTHUB_OK);
    CHECK_EQ(lent, 0);
}

static void feed(const char *bytes, size_t size, uint32_t kind)
{
    iothub_event got;
    size_t consumed;
    CHECK_EQ(iothub_client_handle_input(&client, NOW, (const uint8_t *)bytes, size, &consumed, NULL, &got), IOTHUB_OK);
    CHECK_EQ(consumed, size);
    CHECK_EQ(got.kind, kind);
}

static void send_all_of_provisioning(void)
{
    const uint8_t *out;
    int32_t lent;
    while ((lent = iothub_provisioning_poll_transmit(&provisioning, &out)) > 0)
        CHECK_EQ(iothub_provisioning_confirm_transmit(&provisioning, NOW, (size_t)lent), IOTHUB_OK);
    CHECK_EQ(lent, 0);
}

static void feed_provisioning(const char *bytes, size_t size, uint32_t kind)
{
    iothub_event got;
    size_t consumed;
    CHECK_EQ(iothub_provisioning_handle_input(&provisioning, NOW, (const uint8_t *)bytes, size, &consumed, NULL, &got),
             IOTHUB_OK);
    CHECK_EQ(consumed, size);
    CHECK_EQ(got.kind, kind);
}

/* A registration that waits for its answer. */
static void begin_provisioning(void)
{
    CHECK_EQ(iothub_provisioning_config_init(&provisioning_config, sizeof provisioning_config), IOTHUB_OK);
    provisioning_config.id_scope = IOTHUB_STR("0ne00000001");
    provisioning_config.registration_id = IOTHUB_STR("reg-001");
    CHECK_EQ(iothub_provisioning_init(&provisioning, sizeof provisioning, &provisioning_config, provisioning_tx,
                                      sizeof provisioning_tx, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_provisioning_connect(&provisioning, NOW, NO_TEXT, 7), IOTHUB_OK);
    send_all_of_provisioning();
    feed_provisioning("\x20\x02\x00\x00", 4, IOTHUB_EVENT_CONNECTED);
    send_all_of_provisioning();
    feed_provisioning("\x90\x03\xff\xff\x01", 5, IOTHUB_EVENT_READY);
    send_all_of_provisioning();
    assigned.host_name = IOTHUB_STR("h");
    assigned.device_id = IOTHUB_STR("d");
    memset(&name_out, 0xa5, sizeof name_out);
}

/* A WebSocket that is open. */
static void begin_websocket(void)
{
    static const iothub_upgrade fresh = IOTHUB_UPGRADE_INIT;
    char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    const uint8_t *out;
    size_t mqtt;
    int32_t lent;
    upgrade = fresh;
    upgrade.host = IOTHUB_STR("h");
    memcpy(upgrade.random, "the sample nonceand a secret one", sizeof upgrade.random);
    CHECK_EQ(iothub_websocket_init(&websocket, sizeof websocket, window, sizeof window), IOTHUB_OK);
    CHECK_EQ(iothub_websocket_connect(&websocket, NOW, &upgrade), IOTHUB_OK);
    lent = iothub_websocket_poll_transmit(&websocket, NULL, 0, &out);
    CHECK(lent > 0);
    CHECK_EQ(iothub_websocket_confirm_transmit(&websocket, NOW, (size_t)lent, &mqtt), IOTHUB_OK);
    CHECK_EQ(iothub_websocket_handle_input(&websocket, NOW, (uint8_t *)answer, sizeof answer - 1, &mqtt), IOTHUB_OK);
    CHECK_EQ(mqtt, 0);
}

static void begin(void)
{
    static const iothub_telemetry no_message = IOTHUB_TELEMETRY_INIT;
    static const iothub_connect no_options = IOTHUB_CONNECT_INIT;
    static const iothub_resource no_resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_DEVICE);
    static const iothub_system_properties no_properties = IOTHUB_SYSTEM_PROPERTIES_INIT;
    iothub_storage parts = { (uint32_t)sizeof parts, tx, sizeof tx, slots, 4, inbound, 4 };

    memset(&zeroed, 0, sizeof zeroed);
    len = 0;
    storage = parts;
    message = no_message;
    connect_options = no_options;
    resource = no_resource;
    system_properties = no_properties;
    resource.host = IOTHUB_STR("h");
    resource.id = IOTHUB_STR("d");
    pair.name = IOTHUB_STR("a");
    pair.value = IOTHUB_STR("1");
    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    config.host_name = IOTHUB_STR("h");
    config.device_id = IOTHUB_STR("d");
    config.features = IOTHUB_FEATURE_TWIN;
    CHECK_EQ(iothub_retry_policy_init(&policy, sizeof policy), IOTHUB_OK);
    CHECK_EQ(iothub_backoff_init(&backoff, sizeof backoff, &policy), IOTHUB_OK);
    CHECK_EQ(iothub_key_init(&key, sizeof key, KEY_TEXT, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_rx_init(&rx, sizeof rx, memory, sizeof memory), IOTHUB_OK);
    CHECK_EQ(iothub_properties_iter(BAG, &iter), IOTHUB_OK);
    path = IOTHUB_STR("a");
    CHECK_EQ(iothub_json_reader_init(&reader, sizeof reader, &path, 1, value_memory, sizeof value_memory), IOTHUB_OK);
    CHECK_EQ(iothub_json_reader_feed(&reader, IOTHUB_BYTES_STR("{\"a\":1}")), IOTHUB_OK);
    CHECK_EQ(iothub_desired_iter_init(&desired, sizeof desired, IOTHUB_DESIRED_PATCH, IOTHUB_BYTES_STR("{\"a\":1}"), &path, 1),
             IOTHUB_OK);
    CHECK_EQ(iothub_patch_init(&patch, sizeof patch, patch_memory, sizeof patch_memory), IOTHUB_OK);
    request.id = IOTHUB_STR("1");
    request.connection = 1;
    CHECK_EQ(iothub_request_keep(&request, &kept), IOTHUB_OK);

    CHECK_EQ(iothub_client_init(&client, sizeof client, &config, &storage, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_client_connect(&client, NOW, &connect_options), IOTHUB_OK);
    send_all();
    feed("\x20\x02\x00\x00", 4, IOTHUB_EVENT_CONNECTED);
    send_all();
    feed("\x90\x03\xff\xff\x00", 5, IOTHUB_EVENT_READY);
    begin_provisioning();
    begin_websocket();
    /* What a call has to zero. */
    memset(&event, 0xa5, sizeof event);
    memset(&error, 0xa5, sizeof error);
    memset(&pending, 0xa5, sizeof pending);
    memset(&retry, 0xa5, sizeof retry);
    memset(&property, 0xa5, sizeof property);
    memset(&parsed, 0xa5, sizeof parsed);
    memset(&kept_out, 0xa5, sizeof kept_out);
    memset(&iter_out, 0xa5, sizeof iter_out);
    memset(&text_out, 0xa5, sizeof text_out);
    memset(&bytes_out, 0xa5, sizeof bytes_out);
    memset(&desired_property, 0xa5, sizeof desired_property);
    memset(&wide_out, 0xa5, sizeof wide_out);
    memset(&pointer_out, 0xa5, sizeof pointer_out);
    memset(&space_out, 0xa5, sizeof space_out);
    memset(&token_out, 0xa5, sizeof token_out);
}

/* The hub sends what only devices send. */
static void fail(void)
{
    iothub_event got;
    size_t consumed;
    CHECK_EQ(iothub_client_handle_input(&client, NOW, (const uint8_t *)"\x10\x00", 2, &consumed, NULL, &got), IOTHUB_OK);
    CHECK_EQ(got.kind, IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(got.u.disconnected.reason, IOTHUB_DISCONNECT_FAILED);
    CHECK_EQ(got.u.disconnected.error.status, IOTHUB_ERR_PEER_FORBIDDEN_TYPE);
}

/* The same by the service. */
static void fail_provisioning(void)
{
    iothub_event got;
    size_t consumed;
    CHECK_EQ(iothub_provisioning_handle_input(&provisioning, NOW, (const uint8_t *)"\x10\x00", 2, &consumed, NULL, &got),
             IOTHUB_OK);
    CHECK_EQ(got.kind, IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(got.u.disconnected.error.status, IOTHUB_ERR_PEER_FORBIDDEN_TYPE);
}

/* A frame with a reserved bit. */
static void fail_websocket(void)
{
    uint8_t frame[2] = { 0xc2, 0 };
    size_t mqtt;
    CHECK_EQ(iothub_websocket_handle_input(&websocket, NOW, frame, sizeof frame, &mqtt), IOTHUB_ERR_PEER_WEBSOCKET);
}

#endif
