/* The MPS2 AN385 (Cortex-M3) and AN386 (Cortex-M4F): vectors, clock, two serial lines, semihosting. */
#include "board.h"

#include <string.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* CMSDK UART: one byte each way; it takes the next when the last was read. */
typedef struct uart {
    volatile uint32_t data, state, ctrl, interrupt, bauddiv;
} uart;
#define LINK ((uart *)0x40004000u)
#define MODEM ((uart *)0x40005000u)
#define UART_TX_FULL 1u
#define UART_RX_FULL 2u

#define SYSTICK_CTRL REGISTER(0xe000e010u)
#define SYSTICK_LOAD REGISTER(0xe000e014u)
#define SYSTICK_VALUE REGISTER(0xe000e018u)
#define CPACR REGISTER(0xe000ed88u)
#define CLOCK_HZ 25000000u

extern uint32_t board_data_load[], board_data_start[], board_data_end[], board_bss_start[], board_bss_end[];
extern uint32_t board_stack_top[], board_stack_bottom[];
int main(void);

static volatile uint32_t ticks_low, ticks_high;

void board_reset(void) __attribute__((noreturn));
static void fault(void) __attribute__((noreturn));

static void tick(void)
{
    if (++ticks_low == 0)
        ++ticks_high;
}

#define PAINT 0x5a5a5a5au

void board_reset(void)
{
    size_t data = (size_t)(board_data_end - board_data_start) * sizeof(uint32_t);
    uint32_t *mark;
    memcpy(board_data_start, board_data_load, data);
    memset(board_bss_start, 0, (size_t)(board_bss_end - board_bss_start) * sizeof(uint32_t));
    /* What of the stack is never used keeps this paint: see board_exit(). */
    for (mark = board_stack_bottom; mark < (uint32_t *)__builtin_frame_address(0) - 16; ++mark)
        *mark = PAINT;
#if defined(__ARM_FP)
    CPACR |= 0xfu << 20;
#endif
    LINK->bauddiv = MODEM->bauddiv = 16;
    LINK->ctrl = MODEM->ctrl = 3;
    SYSTICK_LOAD = CLOCK_HZ / 1000 - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CTRL = 7;
    board_exit(main());
    for (;;) {
    }
}

static void fault(void)
{
    board_print("fault\n");
    board_exit(2);
    for (;;) {
    }
}

typedef union vector {
    void *stack;
    void (*handler)(void);
} vector;

#define HANDLER(function) { .handler = function }

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    { board_stack_top }, HANDLER(board_reset), HANDLER(fault), HANDLER(fault), HANDLER(fault), HANDLER(fault),
    HANDLER(fault),      { 0 },          { 0 },          { 0 },          { 0 },          HANDLER(fault),
    HANDLER(fault),      { 0 },          HANDLER(fault), HANDLER(tick),
};

uint64_t board_ms(void)
{
    uint32_t low, high;
    do {
        high = ticks_high;
        low = ticks_low;
    } while (high != ticks_high);
    return (uint64_t)high << 32 | low;
}

static void put(uart *line, char byte)
{
    while (line->state & UART_TX_FULL) {
    }
    line->data = (uint8_t)byte;
}

void board_dial(void)
{
    put(MODEM, 'D');
}

void board_hang_up(void)
{
    put(MODEM, 'H');
}

char board_modem(uint32_t *unix_seconds)
{
    static uint32_t seconds;
    static uint32_t digits;
    while (MODEM->state & UART_RX_FULL) {
        char byte = (char)MODEM->data;
        if (byte == 'X')
            return 'X';
        if (byte == 'U') {
            seconds = digits = 0;
            continue;
        }
        /* Eight hexadecimal digits. */
        seconds = seconds << 4 | (uint32_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
        if (++digits == 8) {
            *unix_seconds = seconds;
            return 'U';
        }
    }
    return '\0';
}

size_t board_receive(uint8_t *to, size_t len)
{
    size_t count = 0;
    while (count < len && LINK->state & UART_RX_FULL)
        to[count++] = (uint8_t)LINK->data;
    return count;
}

size_t board_send(const uint8_t *from, size_t len)
{
    size_t count = 0;
    while (count < len && !(LINK->state & UART_TX_FULL))
        LINK->data = from[count++];
    return count;
}

/* The emulated board has no secure element: this one has signed one text, of a token that ends in 2106. */
static const char signed_text[] = "localhost%2Fdevices%2Fdev1\n4294967295";
static const uint8_t its_signature[32] = { 0xda, 0x4d, 0x5c, 0xe5, 0xdc, 0xcb, 0x3b, 0x2c, 0x0f, 0xb3, 0x25,
                                           0x71, 0x40, 0x6c, 0x88, 0x31, 0x3e, 0x87, 0x09, 0x0d, 0x02, 0x31,
                                           0xd7, 0x70, 0x81, 0x47, 0x34, 0xfe, 0xca, 0xac, 0x2f, 0xaf };

void board_sign(const char *text, size_t len, uint8_t signature[32])
{
    bool known = len == sizeof signed_text - 1 && memcmp(text, signed_text, len) == 0;
    memset(signature, 0, 32);
    if (known)
        memcpy(signature, its_signature, 32);
}

uint32_t board_expiry(uint32_t wanted)
{
    (void)wanted;
    return UINT32_MAX;
}

/* A request to the debugger (Arm's semihosting specification). */
static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_print(const char *text)
{
    semihosting(0x04, text); /* SYS_WRITE0 */
}

void board_print_number(const char *name, uint32_t number)
{
    char text[12];
    char *at = text + sizeof text - 1;
    *at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    board_print(name);
    board_print("=");
    board_print(at);
}

void board_exit(int code)
{
    const uint32_t *mark = board_stack_bottom;
    uint32_t block[2] = { 0x20026, (uint32_t)code }; /* ADP_Stopped_ApplicationExit */
    while (*mark == PAINT)
        ++mark;
    board_print_number("stack", (uint32_t)((board_stack_top - mark) * (ptrdiff_t)sizeof *mark));
    semihosting(0x20, block); /* SYS_EXIT_EXTENDED */
}
