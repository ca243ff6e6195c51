/* An allocator that fails where it is told to: LD_PRELOAD it, then `failing_memory_arm(k, ...)`.
 *
 * Counted is what the code of chosen libraries allocates (told by the caller's address), by malloc and its like and by PyMem_Malloc and its
 * like; all else goes through. The k-th such allocation fails, alone or with all that follow. What is left allocated by them can be asked. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

enum { MOST_RANGES = 256 };
static struct {
    uintptr_t low, high;
} ranges[MOST_RANGES];
static int nrange;
static const char *wanted[8];
static int nwanted;
static atomic_int armed;
static atomic_long count, failed, first, last;
static char site[512];

static int add(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size;
    (void)unused;
    int of_interest = 0;
    for (int k = 0; k < nwanted; k++) of_interest |= strstr(info->dlpi_name, wanted[k]) != NULL;
    for (int k = 0; of_interest && k < info->dlpi_phnum && nrange < MOST_RANGES; k++) {
        const ElfW(Phdr) *part = info->dlpi_phdr + k;
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        ranges[nrange].low = info->dlpi_addr + part->p_vaddr;
        ranges[nrange++].high = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

/* Of the libraries whose path contains one of the words (separated by ':'), the allocations `from` to `to` (from 1) fail. */
void failing_memory_arm(long from, long to, const char *words) {
    static char text[256];
    armed = 0;
    strncpy(text, words, sizeof text - 1);
    nwanted = nrange = 0;
    for (char *word = strtok(text, ":"); word && nwanted < 8; word = strtok(NULL, ":")) wanted[nwanted++] = word;
    dl_iterate_phdr(add, NULL);
    count = failed = 0;
    first = from;
    last = to;
    armed = 1;
}

/* Count no more; returns how many allocations failed. */
long failing_memory_disarm(void) {
    armed = 0;
    return failed;
}

long failing_memory_count(void) { return count; }

/* Where the first allocation that failed was asked for: library, and the exported function next to it. */
const char *failing_memory_site(void) { return site; }

static void name_site(const void *caller) {
    Dl_info info;
    if (!dladdr(caller, &info)) return;
    const char *file = strrchr(info.dli_fname, '/'), *name = info.dli_sname ? info.dli_sname : "?";
    snprintf(site, sizeof site, "%s:%s+%#lx", file ? file + 1 : info.dli_fname, name,
             (unsigned long)((const char *)caller - (const char *)info.dli_fbase));
}

static int is_ours(const void *caller) {
    const uintptr_t at = (uintptr_t)caller;
    for (int k = 0; k < nrange; k++)
        if (at >= ranges[k].low && at < ranges[k].high) return 1;
    return 0;
}

/* What the chosen libraries have given back last; who asks for as much straight away has it again. One function of GSL relies on that. */
enum { LAST = 8 };
static size_t given_back[LAST];
static unsigned ngiven;

static int known_to_be_there(size_t size) {
    void *frames[8];
    Dl_info info;
    int within = 0;
    armed = 0; /* backtrace allocates when it is first called */
    const int depth = backtrace(frames, 8);
    armed = 1;
    for (int k = 0; k < depth; k++)
        within |= dladdr(frames[k], &info) && info.dli_sname && !strcmp(info.dli_sname, "gsl_linalg_bidiag_decomp");
    for (int k = 0; within && k < LAST; k++)
        if (given_back[k] >= size) return 1;
    return 0;
}

static int fails(const void *caller, size_t size) {
    if (!armed) return 0;
    if (!is_ours(caller)) return 0;
    const long number = atomic_fetch_add(&count, 1) + 1;
    const int now = number >= first && number <= last && !known_to_be_there(size);
    if (now && !atomic_fetch_add(&failed, 1)) name_site(caller);
    if (now) errno = ENOMEM;
    return now;
}

#define FAIL(result, size) \
    if (fails(__builtin_return_address(0), size)) return result

void *malloc(size_t n) { FAIL(NULL, n); return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { FAIL(NULL, n * size); return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { FAIL(NULL, n); return __libc_realloc(p, n); }
void *memalign(size_t align, size_t n) { FAIL(NULL, n); return __libc_memalign(align, n); }
void *aligned_alloc(size_t align, size_t n) { FAIL(NULL, n); return __libc_memalign(align, n); }
int posix_memalign(void **p, size_t align, size_t n) {
    FAIL(ENOMEM, n);
    void *made = __libc_memalign(align, n);
    if (!made) return ENOMEM;
    *p = made;
    return 0;
}


void free(void *p) {
    if (p && armed && is_ours(__builtin_return_address(0))) given_back[ngiven++ % LAST] = malloc_usable_size(p);
    __libc_free(p);
}

/* Python's own, where an extension calls them: looked up once, in whatever has them next. */
#define PYTHON(result, name, given, handed)                               \
    result name given {                                                   \
        static result(*real) given;                                       \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);             \
        FAIL(NULL, 0);                                                    \
        return real handed;                                               \
    }
PYTHON(void *, PyMem_Malloc, (size_t n), (n))
PYTHON(void *, PyMem_Calloc, (size_t n, size_t size), (n, size))
PYTHON(void *, PyMem_Realloc, (void *p, size_t n), (p, n))
PYTHON(void *, PyObject_Malloc, (size_t n), (n))
PYTHON(void *, PyMem_RawMalloc, (size_t n), (n))
