/* What the device needs of the machine it runs on. board.c has it for the MPS2 AN385 and AN386 as QEMU emulates them. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds since the start. */
uint64_t board_ms(void);

/* The link is a serial line to a modem, and a second line to tell the modem what to do. */

/* Asks for a connection. */
void board_dial(void);
/* Ends it. */
void board_hang_up(void);
/* Whether something happened to the connection: '\0', 'U' up, with the time as the network tells it, 'X' gone. */
char board_modem(uint32_t *unix_seconds);
/* Takes at most `len` bytes that came; gives how many. */
size_t board_receive(uint8_t *to, size_t len);
/* Sends at most `len` bytes without waiting; gives how many were taken. */
size_t board_send(const uint8_t *from, size_t len);

/* A secure element: signs a text of `len` bytes with HMAC-SHA-256 and a key that it never gives away. */
void board_sign(const char *text, size_t len, uint8_t signature[32]);
/* The end that its next token is to have; `wanted` on a real board. */
uint32_t board_expiry(uint32_t wanted);

/* Prints to the debugger. */
void board_print(const char *text);
void board_print_number(const char *name, uint32_t number);
/* Stops the machine. */
void board_exit(int code);

#endif
