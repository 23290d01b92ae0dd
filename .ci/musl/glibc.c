// What Debian's libgcc and libsupc++, which .NET's runtime needs, take from glibc and musl has not. Linked into the
// libstdc++.so.6 that .ci/musl-tests makes.
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

char __libc_single_threaded = 0;

// struct dl_find_object of glibc's dlfcn.h.
struct found {
    unsigned long long flags;
    void *start, *end, *map, *exceptions;
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct found *found;
};

static int look(struct dl_phdr_info *object, size_t size, void *data)
{
    struct search *search = data;
    uintptr_t first = UINTPTR_MAX, last = 0, exceptions = 0;
    int inside = 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = object->dlpi_phdr + i;
        uintptr_t start = object->dlpi_addr + part->p_vaddr, end = start + part->p_memsz;
        if (part->p_type == PT_GNU_EH_FRAME)
            exceptions = start;
        if (part->p_type != PT_LOAD)
            continue;

        inside |= search->address >= start && search->address < end;
        first = start < first ? start : first;
        last = end > last ? end : last;
    }

    if (!inside || !exceptions)
        return 0;

    memset(search->found, 0, sizeof *search->found);
    search->found->start = (void *)first;
    search->found->end = (void *)last;
    search->found->exceptions = (void *)exceptions;
    return 1;
}

int _dl_find_object(void *address, struct found *found)
{
    struct search search = { (uintptr_t)address, found };
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}

// Destructors of a thread's C++ variables, newest first.
struct destructor {
    void (*run)(void *);
    void *object;
    struct destructor *next;
};

static pthread_key_t destructors;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void run_all(void *newest)
{
    for (struct destructor *this = newest, *next; this; this = next) {
        next = this->next;
        this->run(this->object);
        free(this);
    }
}

static void make_key(void) { pthread_key_create(&destructors, run_all); }

int __cxa_thread_atexit_impl(void (*run)(void *), void *object, void *library)
{
    pthread_once(&once, make_key);
    struct destructor *new = malloc(sizeof *new);
    if (!new)
        return -1;

    *new = (struct destructor){ run, object, pthread_getspecific(destructors) };
    return pthread_setspecific(destructors, new);
}

int __pthread_key_create(pthread_key_t *key, void (*run)(void *)) { return pthread_key_create(key, run); }

// Of libstdc++ proper, whose rest the runtime does not use.
void _ZSt20__throw_length_errorPKc(const char *what) { abort(); }
void _ZSt28__throw_bad_array_new_lengthv(void) { abort(); }

// libgcc_s exports them under an old version only, which musl does not look for. Its own unwinder does not use them.
struct {
    unsigned vendor, type, subtype, features;
} __cpu_model;
int __cpu_indicator_init(void) { return 0; }
