/* A small coverage-guided fuzzer for what every gcc builds (-fsanitize-coverage=trace-pc,trace-cmp): it changes inputs,
 * and keeps those that reach a branch, or come nearer to an equality, as none did before. A target is a file with
 * LLVMFuzzerTestOneInput, so it can be linked with libFuzzer instead.
 *
 *     TARGET SECONDS SEED CURRENT FILE...
 *
 * CURRENT holds the input that is being tried: whatever ends the process, that was it. With 0 seconds the files alone
 * are tried. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_ROOM = 1 << 13, INPUTS = 2048, FEATURES = 1 << 18, CONSTANTS = 256, STUCK_SECONDS = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    size_t size;
    uint8_t data[INPUT_ROOM];
};

static struct input inputs[INPUTS], *current;
static int count, news;
static uint8_t seen[FEATURES];
static uintptr_t before;
static uint64_t constants[CONSTANTS], random_state;
static unsigned constant_count;

static void reach(uintptr_t feature)
{
    uintptr_t place = (feature * 0x9e3779b97f4a7c15u) >> 46;

    news += !seen[place];
    seen[place] = 1;
}

void __sanitizer_cov_trace_pc(void)
{
    uintptr_t here = (uintptr_t)__builtin_return_address(0);

    reach(here ^ before << 20);
    before = here;
}

static void compare(uintptr_t here, uint64_t a, uint64_t b)
{
    reach(here + ((uintptr_t)(__builtin_popcountll(a ^ b) + 1) << 40));
    constants[constant_count++ % CONSTANTS] = a;
    constants[constant_count++ % CONSTANTS] = b;
}

#define COMPARE(name, type) \
    void name(type a, type b) { compare((uintptr_t)__builtin_return_address(0), a, b); }
COMPARE(__sanitizer_cov_trace_cmp1, uint8_t)
COMPARE(__sanitizer_cov_trace_cmp2, uint16_t)
COMPARE(__sanitizer_cov_trace_cmp4, uint32_t)
COMPARE(__sanitizer_cov_trace_cmp8, uint64_t)
COMPARE(__sanitizer_cov_trace_const_cmp1, uint8_t)
COMPARE(__sanitizer_cov_trace_const_cmp2, uint16_t)
COMPARE(__sanitizer_cov_trace_const_cmp4, uint32_t)
COMPARE(__sanitizer_cov_trace_const_cmp8, uint64_t)

void __sanitizer_cov_trace_switch(uint64_t value, uint64_t *cases)
{
    for (uint64_t i = 0; i < cases[0]; i++)
        compare((uintptr_t)__builtin_return_address(0), value, cases[2 + i]);
}

static uint64_t pick(uint64_t below) /* xorshift64* */
{
    random_state ^= random_state >> 12, random_state ^= random_state << 25, random_state ^= random_state >> 27;
    return (random_state * 0x2545f4914f6cdd1du >> 11) % below;
}

static void try_current(void)
{
    news = 0, before = 0;
    alarm(STUCK_SECONDS);
    LLVMFuzzerTestOneInput(current->data, current->size);
    if (!news || count == INPUTS)
        return;
    inputs[count++] = *current;
}

static void put_number(void)
{
    static const uint64_t edges[] = {0, 1, 15, 16, 255, 1 << 14, 1 << 20, UINT32_MAX, INT64_MAX, UINT64_MAX};
    size_t width = (size_t)1 << pick(4), at = pick(current->size);
    uint64_t number = pick(2) ? constants[pick(CONSTANTS)] + pick(3) - 1 : edges[pick(sizeof edges / sizeof *edges)];

    if (at + width <= current->size)
        memcpy(current->data + at, &number, width);
}

static void put_in(const uint8_t *data, size_t size)
{
    size_t at = pick(current->size + 1);

    if (current->size + size > INPUT_ROOM)
        return;
    memmove(current->data + at + size, current->data + at, current->size - at);
    memcpy(current->data + at, data, size);
    current->size += size;
}

static void put_stretch(void)
{
    const struct input *from = &inputs[pick((uint64_t)count)];
    size_t begin = pick(from->size + 1);

    put_in(from->data + begin, pick(from->size - begin + 1));
}

static void put_anything(void)
{
    uint8_t data[32];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)pick(256);
    put_in(data, 1 + pick(sizeof data));
}

static void cut(void)
{
    size_t at = pick(current->size), size = 1 + pick(current->size - at);

    memmove(current->data + at, current->data + at + size, current->size - at - size);
    current->size -= size;
}

static void change(void)
{
    switch (current->size ? pick(7) : 6) {
    case 0: current->data[pick(current->size)] ^= (uint8_t)(1 << pick(8)); break;
    case 1: current->data[pick(current->size)] = (uint8_t)pick(256); break;
    case 2: cut(); break;
    case 3:
    case 4: put_number(); break;
    case 5: put_stretch(); break;
    default: put_anything();
    }
}

static void try_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file)
        abort();
    current->size = fread(current->data, 1, INPUT_ROOM, file);
    fclose(file);
    try_current();
}

static double now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    double seconds = argc > 3 ? atof(argv[1]) : 0, until = now() + seconds;
    int file = argc > 3 ? open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    unsigned long tries = 0;

    if (file < 0 || ftruncate(file, sizeof *current) < 0)
        return 2;
    current = mmap(NULL, sizeof *current, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    random_state = strtoull(argv[2], NULL, 10) | 1;
    count = 1; /* which is empty */
    for (int i = 4; i < argc; i++)
        try_file(argv[i]);
    for (; seconds && now() < until; tries++) {
        *current = inputs[pick((uint64_t)count)];
        for (uint64_t changes = 1 + pick(4); changes; changes--)
            change();
        try_current();
    }
    fprintf(stderr, "%lu tries, %d inputs\n", tries, count);
    return 0;
}
