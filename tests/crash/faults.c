/*
 * Lets system calls of one process on one folder fail, lie, or be the last thing that the process ever does.
 *
 * Loaded with LD_PRELOAD. What is to happen stands in a control block, a file mapped by this library and by the test
 * (shim.py has the same layout), so that it can be armed and disarmed while the process runs. Programs that the process
 * starts inherit the library; the control block names the one process that counts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum action { COUNT, KILL, CUT, FAIL_ONCE, FAIL_ON, LIE, LOG };
enum kind { READ_OPEN = 1, MAKE = 2, WRITE = 4, SYNC = 8, RENAME = 16, LINK = 32, REMOVE = 64, SIZE = 128 };

struct control {
    int32_t armed, pid, action, error, kinds, unused;
    int64_t at;       /* the call that is hit, from 1 */
    int64_t count;    /* calls so far */
    int64_t hits;     /* calls that were hit */
    int64_t hit_ns;   /* monotonic time of the first one */
    int64_t slept_ns; /* how long the machine slept, as the process sees it */
    int64_t wall_ns;  /* how far the wall clock was put forward besides */
    char root[256];   /* only calls on files below it count */
    char mount[256];  /* the file system that loses its power */
    char log[256];    /* where LOG writes */
    char call[32], thread[32], path[512]; /* of the first hit */
};

#define FS_IOC_SHUTDOWN 0x8004587d /* _IOR('X', 125, __u32), the same for ext4, XFS and others */
#define NOLOGFLUSH 2

static struct control *block;

#define REAL(name, ...)                                                                                                \
    ({                                                                                                                 \
        static __typeof__(&name) next_;                                                                                \
        if (!next_) next_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                \
        next_(__VA_ARGS__);                                                                                            \
    })

__attribute__((constructor)) static void map_block(void) {
    const char *path = getenv("CRASH_CONTROL");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped != MAP_FAILED) block = mapped;
}

static int ours(void) { return block && block->pid == getpid(); }

/* The absolute path of what a call is about: `path` below the folder `dir`, or the file open as `dir`. */
static void locate(char *where, int dir, const char *path) {
    char link[64];
    ssize_t length = 0;
    where[0] = 0;
    if (!path || path[0] != '/') {
        if (dir == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        length = syscall(SYS_readlinkat, AT_FDCWD, link, where, PATH_MAX - 1);
        if (length < 0) length = 0;
        where[length] = 0;
        if (!path) return;
        where[length++] = '/';
    }
    snprintf(where + length, PATH_MAX - length, "%s", path);
}

static void remember(const char *call, const char *where) {
    struct timespec now;
    REAL(clock_gettime, CLOCK_MONOTONIC, &now);
    block->hit_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    snprintf(block->call, sizeof block->call, "%s", call);
    prctl(PR_GET_NAME, block->thread);
    snprintf(block->path, sizeof block->path, "%s", where + strlen(block->root));
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void cut(void) {
    uint32_t how = NOLOGFLUSH;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, block->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ioctl(fd, FS_IOC_SHUTDOWN, &how);
    die();
}

static void log_call(const char *call, const char *where) {
    char line[PATH_MAX + 64], thread[32] = "";
    static int fd = -1;
    if (fd < 0) fd = (int)syscall(SYS_openat, AT_FDCWD, block->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    prctl(PR_GET_NAME, thread);
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", thread, call, where + strlen(block->root));
    syscall(SYS_write, fd, line, length);
}

/* Before each call. 0: make it; 1: it has failed, with errno; 2: say that it worked. */
static int met(enum kind kind, const char *call, int dir, const char *path) {
    if (!ours() || !block->armed || !(block->kinds & kind)) return 0;
    int before = errno, verdict = 0;
    char where[PATH_MAX + 8];
    size_t root = strlen(block->root);
    locate(where, dir, path);
    if (strncmp(where, block->root, root) || (where[root] && where[root] != '/')) goto made;
    int64_t number = __atomic_add_fetch(&block->count, 1, __ATOMIC_SEQ_CST);
    if (block->action == LOG) log_call(call, where);
    if (block->action == COUNT || block->action == LOG || number < block->at) goto made;
    if (block->action != FAIL_ON && block->action != LIE && number > block->at) goto made;
    if (__atomic_add_fetch(&block->hits, 1, __ATOMIC_SEQ_CST) == 1) remember(call, where);
    if (block->action == KILL) die();
    if (block->action == CUT) cut();
    verdict = block->action == LIE ? 2 : 1;
made:
    errno = verdict == 1 ? block->error : before;
    return verdict;
}

#define GUARD(kind, fd, path)                                                                                          \
    switch (met(kind, __func__, fd, path)) {                                                                           \
    case 1: return -1;                                                                                                 \
    case 2: return 0;                                                                                                  \
    }

/* --- opening: one that cannot change anything is a kind of its own */

static enum kind opening(int flags) { return flags & (O_CREAT | O_TRUNC) ? MAKE : READ_OPEN; }

#define MODE                                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        MODE GUARD(opening(flags), AT_FDCWD, path) return REAL(name, path, flags, mode);                               \
    }
#define OPENAT(name)                                                                                                   \
    int name(int dir, const char *path, int flags, ...) {                                                              \
        MODE GUARD(opening(flags), dir, path) return REAL(name, dir, path, flags, mode);                               \
    }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
int creat(const char *path, mode_t mode) { GUARD(MAKE, AT_FDCWD, path) return REAL(creat, path, mode); }
int creat64(const char *path, mode_t mode) { GUARD(MAKE, AT_FDCWD, path) return REAL(creat64, path, mode); }

/* --- content */

#define CONTENT(kind, type, name, declared, ...)                                                                       \
    type name declared { GUARD(kind, fd, NULL) return REAL(name, __VA_ARGS__); }
CONTENT(WRITE, ssize_t, write, (int fd, const void *data, size_t size), fd, data, size)
CONTENT(WRITE, ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
CONTENT(WRITE, ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
CONTENT(WRITE, ssize_t, writev, (int fd, const struct iovec *parts, int count), fd, parts, count)
CONTENT(WRITE, ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), fd, parts, count, at)
CONTENT(WRITE, ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), fd, parts, count, at)
CONTENT(WRITE, ssize_t, sendfile, (int fd, int in, off_t *at, size_t size), fd, in, at, size)
CONTENT(WRITE, ssize_t, sendfile64, (int fd, int in, off64_t *at, size_t size), fd, in, at, size)
CONTENT(SYNC, int, fsync, (int fd), fd)
CONTENT(SYNC, int, fdatasync, (int fd), fd)
CONTENT(SYNC, int, sync_file_range, (int fd, off64_t at, off64_t size, unsigned how), fd, at, size, how)
CONTENT(SIZE, int, ftruncate, (int fd, off_t size), fd, size)
CONTENT(SIZE, int, ftruncate64, (int fd, off64_t size), fd, size)
CONTENT(SIZE, int, fallocate, (int fd, int mode, off_t at, off_t size), fd, mode, at, size)
CONTENT(SIZE, int, fallocate64, (int fd, int mode, off64_t at, off64_t size), fd, mode, at, size)
ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *to, size_t size, unsigned how) {
    GUARD(WRITE, fd, NULL) return REAL(copy_file_range, in, from, fd, to, size, how);
}
int posix_fallocate64(int fd, off64_t at, off64_t size) {
    return met(SIZE, __func__, fd, NULL) == 1 ? errno : REAL(posix_fallocate64, fd, at, size);
}

/* --- names; the new one tells what a call is about */

#define NAME(kind, name, dir, declared, ...)                                                                           \
    int name declared { GUARD(kind, dir, path) return REAL(name, __VA_ARGS__); }
NAME(RENAME, rename, AT_FDCWD, (const char *old, const char *path), old, path)
NAME(RENAME, renameat, dir, (int from, const char *old, int dir, const char *path), from, old, dir, path)
NAME(RENAME, renameat2, dir, (int from, const char *old, int dir, const char *path, unsigned how), from, old, dir, path,
     how)
NAME(LINK, link, AT_FDCWD, (const char *old, const char *path), old, path)
NAME(LINK, linkat, dir, (int from, const char *old, int dir, const char *path, int how), from, old, dir, path, how)
NAME(REMOVE, unlink, AT_FDCWD, (const char *path), path)
NAME(REMOVE, unlinkat, dir, (int dir, const char *path, int how), dir, path, how)
NAME(REMOVE, rmdir, AT_FDCWD, (const char *path), path)
NAME(MAKE, mkdir, AT_FDCWD, (const char *path, mode_t mode), path, mode)
NAME(MAKE, mkdirat, dir, (int dir, const char *path, mode_t mode), dir, path, mode)

/* --- clocks, but for the monotonic one. Waiting for a moment reads the kernel's clock: such a moment is put back. */

static void ahead(struct timespec *when, int64_t by) {
    int64_t ns = when->tv_nsec + by % 1000000000;
    when->tv_sec += by / 1000000000 + (ns >= 1000000000) - (ns < 0);
    when->tv_nsec = (ns + 1000000000) % 1000000000;
}

static int64_t offset(clockid_t clock) {
    if (!ours()) return 0;
    if (clock == CLOCK_BOOTTIME) return block->slept_ns;
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? block->slept_ns + block->wall_ns : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime, clock, now);
    if (result == 0) ahead(now, offset(clock));
    return result;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    int result = REAL(gettimeofday, now, zone);
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    struct timespec real = *until;
    ahead(&real, -offset(CLOCK_REALTIME));
    return REAL(sem_timedwait, semaphore, &real);
}
