/* What ends a connection otherwise than politely, and how long to wait before the next. */
#include "script.h"

static void fails(void)
{
    iothub_error error;
    iothub_token token;
    size_t consumed;
    const uint8_t *out;
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;

    AT, init(0, NULL);
    AT, sign_in();
    CHECK_EQ(iothub_client_handle_input(&client, now, (const uint8_t *)"\x20\x02\x00\x05", 4, &consumed, NULL, &event),
             IOTHUB_OK);
    CHECK(event.kind == IOTHUB_EVENT_DISCONNECTED && consumed == 0); /* what ends a connection is not consumed */
    CHECK(event.u.disconnected.reason == IOTHUB_DISCONNECT_FAILED && event.u.disconnected.ready_for_ms == 0);
    CHECK_EQ(event.u.disconnected.error.status, IOTHUB_ERR_REFUSED_NOT_AUTHORIZED);
    CHECK_EQ(event.u.disconnected.last_sent, IOTHUB_SENT_CONNECT);
    CHECK_EQ(iothub_client_handle_input(&client, now, NULL, 0, &consumed, NULL, &event), IOTHUB_ERR_REFUSED_NOT_AUTHORIZED);
    CHECK_EQ(iothub_client_handle_timeout(&client, now), IOTHUB_ERR_REFUSED_NOT_AUTHORIZED);
    CHECK_EQ(iothub_client_poll_transmit(&client, &out), 0);
    CHECK_EQ(iothub_client_state(&client), IOTHUB_STATE_FAILED);
    CHECK_EQ(iothub_client_disconnect(&client, now), IOTHUB_ERR_INVALID_STATE);
    CHECK_EQ(iothub_client_send_telemetry(&client, now, &message, &token), IOTHUB_OK); /* kept for the next connection */

    /* No CONNACK in time. */
    AT, sign_in();
    now += 30000;
    CHECK_EQ(iothub_client_handle_timeout(&client, now), IOTHUB_ERR_TIMED_OUT_CONNACK);
    AT, expect_waiting(IOTHUB_EVENT_DISCONNECTED);
    CHECK_EQ(event.u.disconnected.error.status, IOTHUB_ERR_TIMED_OUT_CONNACK);

    /* Two connections that are cut with the message sent: it is suspect. */
    AT, sign_in();
    EXPECT("\x20\x02\x00\x00", IOTHUB_EVENT_CONNECTED);
    AT, expect_waiting(IOTHUB_EVENT_READY);
    AT, expect_publish(0x32, EVENTS, 1, "");
    CHECK_EQ(iothub_client_handle_eof(&client, now), IOTHUB_OK);
    AT, expect_waiting(IOTHUB_EVENT_DISCONNECTED);
    CHECK(event.u.disconnected.reason == IOTHUB_DISCONNECT_TRANSPORT_CLOSED && event.u.disconnected.suspect == 0);
    CHECK_EQ(event.u.disconnected.last_sent, IOTHUB_SENT_TELEMETRY);
    AT, sign_in();
    EXPECT("\x20\x02\x01\x00", IOTHUB_EVENT_CONNECTED);
    AT, expect_waiting(IOTHUB_EVENT_READY);
    AT, expect_publish(0x3a, EVENTS, 1, "");
    /* In one go with a broken packet: the event before it comes first. */
    packets_publish(&hub, 0x30, "devices/dev1/x", 0, "");
    packets_put(&hub, "\x36\x00", 2);
    CHECK_EQ(iothub_client_handle_input(&client, now, hub.bytes, hub.len, &consumed, NULL, &event), IOTHUB_OK);
    CHECK(event.kind == IOTHUB_EVENT_UNKNOWN && consumed == hub.len - 2);
    memmove(hub.bytes, hub.bytes + consumed, 2);
    hub.len = 0;
    CHECK_EQ(iothub_client_handle_input(&client, now, hub.bytes, 2, &consumed, NULL, &event), IOTHUB_OK);
    CHECK_EQ(event.kind, IOTHUB_EVENT_DISCONNECTED);
    CHECK(event.u.disconnected.suspect == token && event.u.disconnected.cuts == 2);
    error = event.u.disconnected.error;
    CHECK(error.status == IOTHUB_ERR_PEER_BAD_QOS && error.subject == 0x36 && error.offset == 0);
    CHECK_EQ(iothub_client_handle_input(&client, now, NULL, 0, &consumed, NULL, &event), IOTHUB_ERR_PEER_BAD_QOS);
    CHECK_EQ(iothub_client_last_error(&client, &error), IOTHUB_OK);
    CHECK(error.status == IOTHUB_ERR_PEER_BAD_QOS && error.subject == 0x36);
    CHECK_EQ(iothub_client_deinit(&client), IOTHUB_OK);
    CHECK_EQ(iothub_client_state(&client), IOTHUB_ERR_NOT_INITIALIZED);
}

static void waits_before_it_tries_again(void)
{
    iothub_backoff backoff;
    iothub_retry_policy policy;
    iothub_retry retry;
    uint32_t failures;

    CHECK_EQ(iothub_retry_cause(IOTHUB_ERR_REFUSED_PROTOCOL_VERSION), IOTHUB_RETRY_REJECTED);
    CHECK_EQ(iothub_retry_cause(IOTHUB_ERR_REFUSED_SERVER_UNAVAILABLE), IOTHUB_RETRY_UNAVAILABLE);
    CHECK_EQ(iothub_retry_cause(IOTHUB_ERR_REFUSED_NOT_AUTHORIZED), IOTHUB_RETRY_UNAUTHORIZED);
    CHECK_EQ(iothub_retry_cause(IOTHUB_ERR_TIMED_OUT_PUBACK), IOTHUB_RETRY_LOST);
    CHECK_EQ(iothub_retry_cause(IOTHUB_OK), IOTHUB_RETRY_LOST);

    CHECK_EQ(iothub_backoff_init(&backoff, sizeof backoff, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_backoff_next(&backoff, IOTHUB_RETRY_LOST, 0, 0x80000000u, &retry), IOTHUB_OK);
    CHECK(retry.after_ms == 500 && !retry.reprovision);
    CHECK_EQ(iothub_backoff_next(&backoff, IOTHUB_RETRY_LOST, 0, 0x80000000u, &retry), IOTHUB_OK);
    CHECK_EQ(retry.after_ms, 1000);
    CHECK_EQ(iothub_backoff_failures(&backoff, &failures), IOTHUB_OK);
    CHECK_EQ(failures, 2);
    CHECK_EQ(iothub_backoff_next(&backoff, IOTHUB_RETRY_REJECTED, 60000, 0, &retry), IOTHUB_OK);
    CHECK(retry.after_ms == 60000 && retry.reprovision);
    CHECK_EQ(iothub_backoff_reset(&backoff), IOTHUB_OK);
    CHECK_EQ(iothub_backoff_failures(&backoff, &failures), IOTHUB_OK);
    CHECK_EQ(failures, 0);

    CHECK_EQ(iothub_retry_policy_init(&policy, sizeof policy), IOTHUB_OK);
    policy.lost.min_ms = policy.lost.first_ms = policy.lost.max_ms = 77;
    policy.reprovision_after = 1;
    CHECK_EQ(iothub_backoff_init(&backoff, sizeof backoff, &policy), IOTHUB_OK);
    CHECK_EQ(iothub_backoff_next(&backoff, IOTHUB_RETRY_LOST, 0, 1, &retry), IOTHUB_OK);
    CHECK(retry.after_ms == 77 && retry.reprovision);
}

int main(void)
{
    fails();
    waits_before_it_tries_again();
    return 0;
}
