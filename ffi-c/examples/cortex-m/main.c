/*
 * A device on a Cortex-M without an operating system and without a heap. Its link is a modem on a serial line.
 *
 * It signs in with a token made here, sends 100 readings at QoS 1, accepts messages, answers methods, applies the desired
 * property "limit" and reports it, and connects again whenever the link breaks. When all of that has happened it says
 * goodbye, prints what it counted, and stops. TLS would stand between the library and the link.
 *
 * link.c drives the library, device.c is what the device does, stream.c what another does, token_key.c makes its password, board.c is the machine.
 */
#include "board.h"
#include "device.h"
#include "link.h"

counters counted;

void device_check(iothub_status status)
{
    if (status < 0)
        ++counted.failures;
}

int main(void)
{
    if (link_start() != IOTHUB_OK)
        return 1;
    while (!device_done())
        link_turn();
    link_stop();
    while (link_is_up())
        link_turn();
    board_print_number("sent", counted.sent);
    board_print_number("acknowledged", counted.acknowledged);
    board_print_number("messages", counted.messages);
    board_print_number("methods", counted.methods);
    board_print_number("parts", counted.parts);
    board_print_number("documents", counted.documents);
    board_print_number("patches", counted.patches);
    board_print_number("reported", counted.reported);
    board_print_number("limit", counted.limit);
    board_print_number("connections", counted.connections);
    board_print_number("resumed", counted.resumed);
    board_print_number("failures", counted.failures);
    return counted.failures == 0 ? 0 : 3;
}
