/*
 * Takes a twin that is larger than its receive buffer, in pieces, and reports the desired property "limit"; sends a log of
 * eight kilobytes from flash, in parts, and 100 readings.
 */
#include "device.h"

#include <string.h>

#include "board.h"
#include "link.h"
#include "reading.h"

const uint32_t device_features = IOTHUB_FEATURE_TWIN | IOTHUB_FEATURE_DESIRED;
const uint8_t device_streams = 1;

/* Bytes of a part: so many of `tx` are taken for the log. */
#define PART 200

/* 128 lines of 64 bytes: 32 of them, four times over, as a page of flash comes from wherever it is. */
#define LINE "watchdog ok, heap none, link up, tank 21.5 degrees, valves shut\n"
#define LINES_8 LINE LINE LINE LINE LINE LINE LINE LINE
static const char page[] = LINES_8 LINES_8 LINES_8 LINES_8;
#define PAGE_LEN (sizeof page - 1)
#define LOG_LEN (4 * PAGE_LEN)
static iothub_token log_token;
static bool log_stored;

/* Reads the number behind the first "limit": of a patch or document, however it is cut. */
static struct {
    size_t matched;
    bool found, ended;
    uint32_t limit;
} reader;

static void read_limit(iothub_bytes json)
{
    static const char name[] = "\"limit\":";
    size_t at;
    for (at = 0; at < json.len && !reader.ended; ++at) {
        char c = (char)json.ptr[at];
        if (reader.matched < sizeof name - 1) {
            reader.matched = c == name[reader.matched] ? reader.matched + 1 : c == name[0];
        } else if (c >= '0' && c <= '9') {
            reader.limit = reader.limit * 10 + (uint32_t)(c - '0');
            reader.found = true;
        } else {
            reader.ended = true;
        }
    }
}

static void forget(void)
{
    memset(&reader, 0, sizeof reader);
}

/* What was read of a patch or document, all of which has come. */
static void apply(void)
{
    char patch[32] = "{\"limit\":";
    size_t len = strlen(patch);
    if (!reader.found)
        return;
    counted.limit = reader.limit;
    len += put_number(patch + len, reader.limit);
    patch[len++] = '}';
    device_check(iothub_client_twin_report(&client, board_ms(), IOTHUB_BYTES(patch, len), NULL));
}

static void supply(const iothub_event_part_wanted *wanted)
{
    size_t at = wanted->offset % PAGE_LEN, left = PAGE_LEN - at;
    iothub_bytes part = IOTHUB_BYTES(page + at, left < wanted->room ? left : wanted->room);
    ++counted.parts;
    device_check(iothub_client_telemetry_part(&client, board_ms(), wanted->token, wanted->offset, part));
}

void device_handle(const iothub_event *event)
{
    switch (event->kind) {
    case IOTHUB_EVENT_TELEMETRY_ACKED:
        if (event->u.telemetry_acked.token == log_token)
            log_stored = true;
        else
            ++counted.acknowledged;
        break;
    case IOTHUB_EVENT_STREAM_BEGIN:
        forget();
        break;
    case IOTHUB_EVENT_STREAM_PIECE:
        read_limit(event->u.stream_piece.bytes);
        break;
    case IOTHUB_EVENT_STREAM_END:
        if (event->u.stream_end.source == IOTHUB_STREAM_TWIN_DOCUMENT && !event->u.stream_end.stale) {
            ++counted.documents;
            apply();
        }
        break;
    case IOTHUB_EVENT_TWIN_DESIRED:
        ++counted.patches;
        forget();
        read_limit(event->u.twin_desired.payload);
        apply();
        break;
    case IOTHUB_EVENT_TWIN_REPORTED:
        ++counted.reported;
        break;
    case IOTHUB_EVENT_PART_WANTED:
        supply(&event->u.part_wanted);
        break;
    default:
        break;
    }
}

/* Queues the log: its parts are asked for when it is its turn. */
static void send_log(void)
{
    iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
    iothub_property name = { IOTHUB_STR_INIT("log"), IOTHUB_STR_INIT("boot") };
    iothub_status status;
    message.properties = &name;
    message.properties_len = 1;
    status = iothub_client_send_telemetry_parts(&client, board_ms(), &message, LOG_LEN, PART, &log_token);
    if (status != IOTHUB_ERR_TX_FULL && status != IOTHUB_ERR_SLOTS_FULL)
        device_check(status);
}

void device_work(void)
{
    if (log_token == IOTHUB_TOKEN_NONE)
        send_log();
    reading_send();
}

bool device_done(void)
{
    return counted.acknowledged >= READINGS && log_stored && counted.reported && counted.limit == 42;
}
