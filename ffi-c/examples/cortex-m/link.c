#include "link.h"

#include <string.h>

#include "board.h"
#include "device.h"
#include "token.h"

IOTHUB_STORAGE_WITH(storage, 1536, 8, 8);
static uint8_t rx_memory[1024];
iothub_client client;
static iothub_rx rx;
static iothub_backoff backoff;

/* Whether there is a connection, and when to dial again if there is none: not before the line is silent, since what an
 * earlier connection left on it would be taken for the next one's. */
static bool up;
static uint64_t dial_at, silent_at;
#define SILENCE_MS 250u

bool link_is_up(void)
{
    return up;
}

static void retry(const iothub_event_disconnected *ended)
{
    iothub_retry next;
    uint32_t cause = iothub_retry_cause(ended->error.status);
    iothub_backoff_next(&backoff, cause, ended->ready_for_ms, (uint32_t)board_ms() * 2654435761u, &next);
    dial_at = board_ms() + next.after_ms;
    up = false;
    board_hang_up();
}

static void handle(const iothub_event *event)
{
    switch (event->kind) {
    case IOTHUB_EVENT_CONNECTED:
        ++counted.connections;
        counted.resumed += event->u.connected.session_present;
        break;
    case IOTHUB_EVENT_CREDENTIAL_EXPIRING:
        iothub_client_disconnect(&client, board_ms());
        break;
    case IOTHUB_EVENT_DISCONNECTED:
        retry(&event->u.disconnected);
        break;
    default:
        device_handle(event);
        break;
    }
}

static void sign_in(uint32_t unix_seconds)
{
    static char token[192];
    iothub_connect options = IOTHUB_CONNECT_INIT;
    options.password.ptr = token;
    options.lifetime_ms = TOKEN_SECONDS * 1000u;
    options.random = (uint32_t)board_ms();
    iothub_rx_clear(&rx);
    device_check(token_make(unix_seconds, token, sizeof token, &options.password.len));
    device_check(iothub_client_connect(&client, board_ms(), &options));
    memset(token, 0, sizeof token);
    up = true;
}

/* Of a function that is not inlined nothing is on the stack while events are handled. */
#define APART __attribute__((noinline))

/* Dials when it is time, and notices when the link comes and goes. */
APART static void mind_the_modem(void)
{
    uint32_t unix_seconds;
    if (!up && board_ms() >= dial_at && board_ms() >= silent_at) {
        board_dial();
        dial_at = IOTHUB_NEVER;
    }
    switch (board_modem(&unix_seconds)) {
    case 'U':
        sign_in(unix_seconds);
        break;
    case 'X':
        if (up)
            iothub_client_handle_eof(&client, board_ms());
        else
            dial_at = board_ms() + 1000;
        break;
    default:
        break;
    }
}

/* Whatever there is, as far as the line takes it. */
APART static void transmit(void)
{
    const uint8_t *out;
    int32_t lent;

    while (up && (lent = iothub_client_poll_transmit(&client, &out)) > 0) {
        size_t sent = board_send(out, (size_t)lent);
        if (sent == 0)
            break;
        device_check(iothub_client_confirm_transmit(&client, board_ms(), sent));
    }
}

/* Events first, then bytes, then the clock. */
void link_turn(void)
{
    static iothub_event event; /* large for a small stack */
    uint8_t *room;
    size_t len;

    mind_the_modem();
    if (iothub_rx_space(&rx, &room, &len) == IOTHUB_OK && (len = board_receive(room, len)) > 0) {
        iothub_rx_commit(&rx, len);
        silent_at = board_ms() + SILENCE_MS;
    }
    while (iothub_client_poll_event(&client, board_ms(), &rx, &event) == IOTHUB_OK && event.kind != IOTHUB_EVENT_NONE)
        handle(&event);
    device_work();
    transmit();
    if (iothub_client_poll_timeout(&client) <= board_ms())
        iothub_client_handle_timeout(&client, board_ms());
}

iothub_status link_start(void)
{
    iothub_config config;
    iothub_status status = iothub_config_init(&config, sizeof config);
    config.host_name = IOTHUB_STR(HOST);
    config.device_id = IOTHUB_STR(DEVICE);
    config.features = device_features;
    config.max_packet = sizeof rx_memory;
    config.stream_payloads = device_streams;
    if (status == IOTHUB_OK)
        status = iothub_rx_init(&rx, sizeof rx, rx_memory, sizeof rx_memory);
    if (status == IOTHUB_OK)
        status = token_start();
    if (status == IOTHUB_OK)
        status = iothub_backoff_init(&backoff, sizeof backoff, NULL);
    if (status == IOTHUB_OK)
        status = iothub_client_init(&client, sizeof client, &config, &storage, NULL);
    return status;
}

void link_stop(void)
{
    iothub_client_disconnect(&client, board_ms());
}
