/*
 * A device on a Cortex-M without an operating system and without a heap. Its link is a modem on a serial line.
 *
 * It signs in with a token made here, sends 100 readings at QoS 1, accepts messages, answers methods, applies the desired
 * property "limit" and reports it, and connects again whenever the link breaks. When all of that has happened it says
 * goodbye, prints what it counted, and stops. TLS would stand between the library and the link.
 */
#include <iothub.h>

#include <string.h>

#include "board.h"

#define READINGS 100
/* Readings on their way at once: of the 8 slots some are left for answers and reports, which are not to wait. */
#define IN_FLIGHT 5
#define TOKEN_SECONDS 3600

#define HOST "localhost"
#define DEVICE "dev1"
/* Where a product would read its own from a secure place. */
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

IOTHUB_STORAGE_WITH(storage, 1536, 8, 8);
static uint8_t rx_memory[1024];
static iothub_client client;
static iothub_rx rx;
static iothub_key key;
static iothub_backoff backoff;

static struct {
    uint32_t sent, acknowledged, messages, methods, documents, patches, reported, limit, connections, resumed, failures;
} counted;

/* Whether the link is up, and when to dial again if it is not. */
static bool up;
static uint64_t dial_at;

static void count_failure(iothub_status status)
{
    if (status < 0)
        ++counted.failures;
}

/* The number behind "limit": in a patch or document; false if there is none. */
static bool find_limit(iothub_bytes json, uint32_t *limit)
{
    static const char name[] = "\"limit\":";
    size_t at;
    for (at = 0; at + sizeof name <= json.len; ++at) {
        if (memcmp(json.ptr + at, name, sizeof name - 1) == 0) {
            *limit = 0;
            for (at += sizeof name - 1; at < json.len && json.ptr[at] >= '0' && json.ptr[at] <= '9'; ++at)
                *limit = *limit * 10 + (uint32_t)(json.ptr[at] - '0');
            return true;
        }
    }
    return false;
}

static size_t put_number(char *to, uint32_t number)
{
    char digits[10];
    size_t count = 0, at;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    for (at = 0; at < count; ++at)
        to[at] = digits[count - 1 - at];
    return count;
}

static void apply(iothub_bytes json)
{
    char patch[32] = "{\"limit\":";
    size_t len = strlen(patch);
    uint32_t limit;
    if (!find_limit(json, &limit))
        return;
    counted.limit = limit;
    len += put_number(patch + len, limit);
    patch[len++] = '}';
    count_failure(iothub_client_twin_report(&client, board_ms(), IOTHUB_BYTES(patch, len), NULL));
}

/* One reading, with its number as a property, unless there is no room for it now. */
static void send_reading(void)
{
    char number[10], payload[24] = "{\"celsius\":";
    size_t len = strlen(payload);
    iothub_property properties[2] = { { IOTHUB_STR_INIT("room"), IOTHUB_STR_INIT("boiler & tank") },
                                      { IOTHUB_STR_INIT("reading"), { number, 0 } } };
    iothub_system_properties system = IOTHUB_SYSTEM_PROPERTIES_INIT;
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_status status;

    properties[1].value.len = put_number(number, counted.sent);
    len += put_number(payload + len, 20 + counted.sent % 10);
    payload[len++] = '}';
    system.content_type = IOTHUB_STR("application/json");
    message.payload = IOTHUB_BYTES(payload, len);
    message.properties = properties;
    message.properties_len = 2;
    message.system = &system;
    status = iothub_client_send_telemetry(&client, board_ms(), &message, NULL);
    if (status == IOTHUB_OK)
        ++counted.sent;
    else if (status != IOTHUB_ERR_TX_FULL && status != IOTHUB_ERR_SLOTS_FULL)
        count_failure(status);
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
    uint64_t now = board_ms();
    switch (event->kind) {
    case IOTHUB_EVENT_CONNECTED:
        ++counted.connections;
        counted.resumed += event->u.connected.session_present;
        break;
    case IOTHUB_EVENT_TELEMETRY_ACKED:
        ++counted.acknowledged;
        break;
    case IOTHUB_EVENT_MESSAGE: {
        iothub_received_property colour;
        if (iothub_properties_get(event->u.message.properties, IOTHUB_STR("colour"), &colour) == 1 &&
            iothub_text_equals(colour.value, IOTHUB_STR("dark red")) == 1)
            ++counted.messages;
        if (event->u.message.token != IOTHUB_TOKEN_NONE)
            count_failure(iothub_client_message_accept(&client, now, event->u.message.token));
        break;
    }
    case IOTHUB_EVENT_METHOD_CALL:
        ++counted.methods;
        count_failure(iothub_client_method_respond(&client, now, &event->u.method_call.request, 200,
                                                   event->u.method_call.payload));
        break;
    case IOTHUB_EVENT_TWIN_DOCUMENT:
        ++counted.documents;
        apply(event->u.twin_document.payload);
        break;
    case IOTHUB_EVENT_TWIN_DESIRED:
        ++counted.patches;
        apply(event->u.twin_desired.payload);
        break;
    case IOTHUB_EVENT_TWIN_REPORTED:
        ++counted.reported;
        break;
    case IOTHUB_EVENT_CREDENTIAL_EXPIRING:
        iothub_client_disconnect(&client, now);
        break;
    case IOTHUB_EVENT_DISCONNECTED:
        retry(&event->u.disconnected);
        break;
    default:
        break;
    }
}

static void sign_in(uint32_t unix_seconds)
{
    static char token[192];
    iothub_connect options = IOTHUB_CONNECT_INIT;
    iothub_resource resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_DEVICE);
    iothub_str no_name = { NULL, 0 };
    resource.host = IOTHUB_STR(HOST);
    resource.id = IOTHUB_STR(DEVICE);
    options.password.ptr = token;
    options.lifetime_ms = TOKEN_SECONDS * 1000u;
    options.random = (uint32_t)board_ms();
    iothub_rx_clear(&rx);
    count_failure(iothub_key_token(&key, &resource, unix_seconds + TOKEN_SECONDS, no_name, token, sizeof token,
                                   &options.password.len));
    count_failure(iothub_client_connect(&client, board_ms(), &options));
    memset(token, 0, sizeof token);
    up = true;
}

/* Dials when it is time, and notices when the link comes and goes. */
static void mind_the_modem(void)
{
    uint32_t unix_seconds;
    if (!up && board_ms() >= dial_at) {
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

/* Events first, then bytes, then the clock. */
static void turn(void)
{
    iothub_event event;
    const uint8_t *out;
    uint8_t *room;
    size_t len;
    int32_t lent;

    if (iothub_rx_space(&rx, &room, &len) == IOTHUB_OK)
        iothub_rx_commit(&rx, board_receive(room, len));
    while (iothub_client_poll_event(&client, board_ms(), &rx, &event) == IOTHUB_OK && event.kind != IOTHUB_EVENT_NONE)
        handle(&event);
    if (counted.sent < READINGS && counted.sent - counted.acknowledged < IN_FLIGHT)
        send_reading();
    while (up && (lent = iothub_client_poll_transmit(&client, &out)) > 0) {
        size_t sent = board_send(out, (size_t)lent);
        if (sent == 0)
            break;
        count_failure(iothub_client_confirm_transmit(&client, board_ms(), sent));
    }
    if (iothub_client_poll_timeout(&client) <= board_ms())
        iothub_client_handle_timeout(&client, board_ms());
}

static bool done(void)
{
    return counted.acknowledged >= READINGS && counted.messages && counted.methods && counted.reported &&
           counted.limit == 42;
}

static iothub_status start(void)
{
    iothub_config config;
    iothub_status status = iothub_config_init(&config, sizeof config);
    config.host_name = IOTHUB_STR(HOST);
    config.device_id = IOTHUB_STR(DEVICE);
    config.max_packet = sizeof rx_memory;
    if (status == IOTHUB_OK)
        status = iothub_rx_init(&rx, sizeof rx, rx_memory, sizeof rx_memory);
    if (status == IOTHUB_OK)
        status = iothub_key_init(&key, sizeof key, IOTHUB_STR(KEY), NULL);
    if (status == IOTHUB_OK)
        status = iothub_backoff_init(&backoff, sizeof backoff, NULL);
    if (status == IOTHUB_OK)
        status = iothub_client_init(&client, sizeof client, &config, &storage, NULL);
    return status;
}

int main(void)
{
    if (start() != IOTHUB_OK)
        return 1;
    while (!done()) {
        mind_the_modem();
        turn();
    }
    iothub_client_disconnect(&client, board_ms());
    while (up)
        turn();
    board_print_number("sent", counted.sent);
    board_print_number("acknowledged", counted.acknowledged);
    board_print_number("messages", counted.messages);
    board_print_number("methods", counted.methods);
    board_print_number("documents", counted.documents);
    board_print_number("patches", counted.patches);
    board_print_number("reported", counted.reported);
    board_print_number("limit", counted.limit);
    board_print_number("connections", counted.connections);
    board_print_number("resumed", counted.resumed);
    board_print_number("failures", counted.failures);
    iothub_key_deinit(&key);
    return counted.failures == 0 ? 0 : 3;
}
