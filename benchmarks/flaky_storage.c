/* Storage that fails now and then: loaded before libc (LD_PRELOAD), it lets open, read and write of
   files below a folder fail with EIO or ESTALE at random, for whatever library calls them.

   FLAKY_ROOT: the folder, absolute. FLAKY_CHANCE: of each call. FLAKY_LOG: a file outside of it that
   gets a line for every failure. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
static char watched[MOST]; /* descriptors of files below the folder */

static int fails(const char *what) {
    static __thread uint64_t state;
    if (!state) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        state = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid() + (uintptr_t)&state;
    }
    state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* xorshift64 */
    const char *chance = getenv("FLAKY_CHANCE"), *log = getenv("FLAKY_LOG");
    if (!chance || (state >> 11) * 0x1p-53 >= atof(chance)) return 0;
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    ssize_t (*real_write)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    int file = log ? real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (file >= 0) {
        char line[32];
        int length = snprintf(line, sizeof line, "%s\n", what);
        if (real_write(file, line, (size_t)length) < 0) abort();
        close(file);
    }
    errno = state & 1024 ? EIO : ESTALE;
    return 1;
}

static int is_below(int file) {
    char link[64], path[PATH_MAX + 1];
    const char *root = getenv("FLAKY_ROOT");
    if (!root || file < 0 || file >= MOST) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, root, strlen(root)) == 0;
}

static int opened(int file) {
    int before = errno;
    if (file >= 0 && file < MOST) watched[file] = 0;
    if (is_below(file)) {
        watched[file] = 1;
        if (fails("open")) {
            int why = errno;
            close(file);
            errno = why;
            return -1;
        }
    }
    errno = before;
    return file;
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list given; va_start(given, last); mode = va_arg(given, mode_t); va_end(given); }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        static int (*real)(const char *, int, ...); \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        MODE(flags, flags) \
        return opened(real(path, flags, mode)); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        static int (*real)(int, const char *, int, ...); \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        MODE(flags, flags) \
        return opened(real(folder, path, flags, mode)); \
    }
#define TRANSFER(name, parameters, arguments) \
    ssize_t name parameters { \
        static ssize_t(*real) parameters; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        if (file >= 0 && file < MOST && watched[file] && fails(#name)) return -1; \
        return real arguments; \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
TRANSFER(read, (int file, void *to, size_t size), (file, to, size))
TRANSFER(pread, (int file, void *to, size_t size, off_t at), (file, to, size, at))
TRANSFER(pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
TRANSFER(readv, (int file, const struct iovec *to, int count), (file, to, count))
TRANSFER(write, (int file, const void *from, size_t size), (file, from, size))
TRANSFER(pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at))
TRANSFER(pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at))
TRANSFER(writev, (int file, const struct iovec *from, int count), (file, from, count))

int close(int file) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < MOST) watched[file] = 0;
    return real(file);
}
