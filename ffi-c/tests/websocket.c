/* The WebSocket adapter, the server's bytes written by hand. */
#include "packets.h"

#define ANSWER                                                                                                           \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                   \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

static iothub_websocket websocket;
static uint8_t window[512];
static packets sent;
static size_t mqtt_sent;
static const uint64_t now = 5000;

/* Sends what there is, of which `mqtt` is what a client lends. */
static void collect(const char *mqtt, size_t len)
{
    const uint8_t *out;
    size_t taken;
    int32_t lent;
    sent.len = mqtt_sent = 0;
    while ((lent = iothub_websocket_poll_transmit(&websocket, (const uint8_t *)mqtt, len, &out)) > 0) {
        packets_put(&sent, out, (size_t)lent);
        CHECK_EQ(iothub_websocket_confirm_transmit(&websocket, now, (size_t)lent, &taken), IOTHUB_OK);
        mqtt += taken;
        len -= taken;
        mqtt_sent += taken;
    }
    CHECK_EQ(lent, 0);
    CHECK(out == NULL);
}

/* Feeds bytes, of which `mqtt` are left. */
static void feed(const char *bytes, size_t len, iothub_status status, const char *mqtt)
{
    uint8_t room[512];
    size_t mqtt_len;
    memcpy(room, bytes, len);
    CHECK_EQ(iothub_websocket_handle_input(&websocket, now, room, len, &mqtt_len), status);
    CHECK_MEM(room, mqtt_len, mqtt, strlen(mqtt));
}
#define FEED(literal, status, mqtt) feed("" literal, sizeof(literal) - 1, status, mqtt)

static void expect_error(iothub_status status, uint32_t subject, int32_t state)
{
    iothub_error error;
    CHECK_EQ(iothub_websocket_error(&websocket, &error), IOTHUB_OK);
    CHECK_EQ(error.status, status);
    CHECK_EQ(error.subject, subject);
    CHECK_EQ(iothub_websocket_state(&websocket), state);
}

static void connect_it(uint8_t no_client_certificate)
{
    iothub_upgrade upgrade = IOTHUB_UPGRADE_INIT;
    upgrade.host = IOTHUB_STR("h.net");
    upgrade.no_client_certificate = no_client_certificate;
    memcpy(upgrade.random, "the sample nonceand a secret one", sizeof upgrade.random);
    CHECK_EQ(iothub_websocket_connect(&websocket, now, &upgrade), IOTHUB_OK);
    CHECK_EQ(iothub_websocket_state(&websocket), IOTHUB_WEBSOCKET_UPGRADING);
    CHECK_EQ(iothub_websocket_poll_timeout(&websocket), now + 30000);
}

int main(void)
{
    static const char request[] = "GET /$iothub/websocket?iothub-no-client-cert=true HTTP/1.1\r\nHost: h.net\r\n";
    size_t at;

    CHECK_EQ(iothub_websocket_init(&websocket, sizeof websocket, window, sizeof window), IOTHUB_OK);
    expect_error(IOTHUB_OK, 0, IOTHUB_WEBSOCKET_OFFLINE);
    connect_it(1);
    collect("mqtt", 4); /* waits for the answer */
    CHECK(mqtt_sent == 0 && sent.len > sizeof request && memcmp(sent.bytes, request, sizeof request - 1) == 0);
    FEED(ANSWER "\x82\x03" "abc" "\x89\x02" "hi" "\x02\x02" "de" "\x80\x01" "f", IOTHUB_OK, "abcdef");
    CHECK_EQ(iothub_websocket_state(&websocket), IOTHUB_WEBSOCKET_OPEN);
    CHECK_EQ(iothub_websocket_poll_timeout(&websocket), IOTHUB_NEVER);
    collect("mqtt", 4);
    CHECK_EQ(mqtt_sent, 4);
    CHECK_EQ(sent.len, 2 + 4 + 2 + 2 + 4 + 4);
    CHECK(sent.bytes[0] == 0x8a && sent.bytes[1] == 0x82); /* PONG, then a binary frame, both masked */
    CHECK(sent.bytes[8] == 0x82 && sent.bytes[9] == 0x84);
    for (at = 0; at < 4; at++)
        CHECK_EQ(sent.bytes[14 + at] ^ sent.bytes[10 + at], "mqtt"[at]);

    /* The server closes. */
    FEED("\x88\x02\x03\xe9", IOTHUB_ERR_PEER_WEBSOCKET_CLOSED, "");
    expect_error(IOTHUB_ERR_PEER_WEBSOCKET_CLOSED, 1001, IOTHUB_WEBSOCKET_CLOSING);
    collect(NULL, 0);
    CHECK(sent.len == 8 && sent.bytes[0] == 0x88);
    CHECK_EQ(iothub_websocket_state(&websocket), IOTHUB_WEBSOCKET_CLOSED);

    /* The server, or a proxy, refuses. */
    connect_it(0);
    collect(NULL, 0);
    FEED("HTTP/1.1 403 Forbidden\r\n\r\n", IOTHUB_ERR_REFUSED_WEBSOCKET, "");
    expect_error(IOTHUB_ERR_REFUSED_WEBSOCKET, 403, IOTHUB_WEBSOCKET_CLOSED);
    FEED("", IOTHUB_ERR_REFUSED_WEBSOCKET, "");

    /* It is no WebSocket server, and one that masks what it sends. */
    connect_it(0);
    collect(NULL, 0);
    FEED("220 mail ready\r\n", IOTHUB_ERR_PEER_WEBSOCKET, "");
    expect_error(IOTHUB_ERR_PEER_WEBSOCKET, IOTHUB_VIOLATION_BAD_STATUS_LINE, IOTHUB_WEBSOCKET_CLOSED);
    connect_it(0);
    collect(NULL, 0);
    FEED(ANSWER "\x82\x81" "maska", IOTHUB_ERR_PEER_WEBSOCKET, "");
    expect_error(IOTHUB_ERR_PEER_WEBSOCKET, IOTHUB_VIOLATION_MASKED, IOTHUB_WEBSOCKET_CLOSING);
    collect(NULL, 0); /* tells it why */
    CHECK_EQ(iothub_websocket_state(&websocket), IOTHUB_WEBSOCKET_CLOSED);

    /* It does not answer. */
    connect_it(0);
    collect(NULL, 0);
    CHECK_EQ(iothub_websocket_handle_timeout(&websocket, now + 29999), IOTHUB_OK);
    CHECK_EQ(iothub_websocket_handle_timeout(&websocket, now + 30000), IOTHUB_ERR_TIMED_OUT_WEBSOCKET);
    expect_error(IOTHUB_ERR_TIMED_OUT_WEBSOCKET, 0, IOTHUB_WEBSOCKET_CLOSED);

    /* A polite end, and the transport's. */
    connect_it(0);
    collect(NULL, 0);
    FEED(ANSWER, IOTHUB_OK, "");
    CHECK_EQ(iothub_websocket_disconnect(&websocket, now), IOTHUB_OK);
    CHECK_EQ(iothub_websocket_state(&websocket), IOTHUB_WEBSOCKET_CLOSING);
    collect("mqtt", 4);
    CHECK(mqtt_sent == 0 && sent.bytes[0] == 0x88);
    CHECK_EQ(iothub_websocket_handle_eof(&websocket, now), IOTHUB_OK);
    expect_error(IOTHUB_OK, 0, IOTHUB_WEBSOCKET_OFFLINE);
    CHECK_EQ(iothub_websocket_deinit(&websocket), IOTHUB_OK);
    CHECK_EQ(iothub_websocket_state(&websocket), IOTHUB_ERR_NOT_INITIALIZED);
    return 0;
}
