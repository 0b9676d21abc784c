/* Every change of the disk below one folder, whoever makes it (Python, pyarrow, Polars, SQLite, GDAL): counted, written down in
 * the order in which it happened, or made to fail. Preloaded (LD_PRELOAD) into the process under test; driven by `shim.py`.
 *
 * Journal: one record per change that succeeded: op, number of fields, then each field as 8 bytes of length and its bytes.
 *   o path ino created truncated    w ino offset data    t ino length    f ino    r old new    l old new    s target path
 *   u path    d path (rmdir)    m path ino (mkdir)    ! words (a mark set by the harness)    ? what (something not followed)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, KILL, TORN, FAIL };
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], second[PATH_MAX];
static size_t root_len, second_len;
static int journal = -1, armed, action, code, reads;
static long at, count;
static char last_op[64];

#define REAL(ret, name, ...) \
    static ret (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)

static ssize_t raw_write(int fd, const void *data, size_t n) {
    REAL(ssize_t, write, int, const void *, size_t);
    return real_write(fd, data, n);
}

static int below(const char *path) {
    return armed && ((root_len && !strncmp(path, root, root_len) && (path[root_len] == '/' || !path[root_len]))
        || (reads && second_len && !strncmp(path, second, second_len) && path[second_len] == '/'));
}

/* The path with its folder resolved, its last name as it is. */
static int resolve(int folder, const char *path, char *out) {
    char whole[PATH_MAX], parent[PATH_MAX];
    if (!armed || !path) return 0;
    if (path[0] == '/') {
        if (snprintf(whole, sizeof whole, "%s", path) >= PATH_MAX) return 0;
    } else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t n = readlink(link, base, sizeof base - 1);
            if (n < 0) return 0;
            base[n] = 0;
        }
        if (snprintf(whole, sizeof whole, "%s/%s", base, path) >= PATH_MAX) return 0;
    }
    size_t n = strlen(whole);
    while (n > 1 && whole[n - 1] == '/') whole[--n] = 0;
    char *slash = strrchr(whole, '/');
    char *name = slash + 1;
    if (slash == whole) return snprintf(out, PATH_MAX, "%s", whole) < PATH_MAX && below(out);
    *slash = 0;
    if (!realpath(whole, parent)) return 0;
    return snprintf(out, PATH_MAX, "%s/%s", parent, name) < PATH_MAX && below(out);
}

static int of_fd(int fd, char *out, struct stat *about) {
    char link[64];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n < 0) return 0;
    out[n] = 0;
    return below(out) && !fstat(fd, about);
}

static void note(char op, int n_fields, ...) {
    if (journal < 0 || reads) return;
    size_t size = 2;
    va_list list;
    va_start(list, n_fields);
    for (int i = 0; i < n_fields; i++) { (void)va_arg(list, const void *); size += 8 + va_arg(list, size_t); }
    va_end(list);
    char *record = malloc(size), *p = record;
    *p++ = op;
    *p++ = (char)n_fields;
    va_start(list, n_fields);
    for (int i = 0; i < n_fields; i++) {
        const void *data = va_arg(list, const void *);
        uint64_t n = va_arg(list, size_t);
        memcpy(p, &n, 8);
        memcpy(p + 8, data, n);
        p += 8 + n;
    }
    va_end(list);
    for (size_t done = 0; done < size;) {
        ssize_t n = raw_write(journal, record + done, size - done);
        if (n < 0) abort();
        done += (size_t)n;
    }
    free(record);
}
#define TEXT(s) (const void *)(s), strlen(s)
static char *number(char *out, long long value) { snprintf(out, 32, "%lld", value); return out; }

/* Counts one step; what is to happen at it. Called with the gate closed. */
static int step(const char *op, const char *path) {
    int now = count++ == at ? action : NOTHING;
    if (now != NOTHING) snprintf(last_op, sizeof last_op, "%s %.50s", op, strlen(path) > 50 ? path + strlen(path) - 50 : path);
    if (now == KILL) kill(getpid(), SIGKILL);
    return now;
}
static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

int hx_arm(const char *folder, const char *also, const char *journal_path, long when, int what, int error, int of_reads) {
    REAL(int, open64, const char *, int, ...);
    pthread_mutex_lock(&gate);
    if (journal >= 0) close(journal);
    journal = journal_path && *journal_path ? real_open64(journal_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (!realpath(folder, root)) root[0] = 0;
    root_len = strlen(root);
    second[0] = 0;
    if (also && *also && !realpath(also, second)) second[0] = 0;
    second_len = strlen(second);
    at = when; action = what; code = error; reads = of_reads; count = 0; last_op[0] = 0;
    armed = 1;
    pthread_mutex_unlock(&gate);
    return root_len ? 0 : -1;
}
long hx_disarm(void) {
    pthread_mutex_lock(&gate);
    armed = 0;
    if (journal >= 0) close(journal);
    journal = -1;
    long n = count;
    pthread_mutex_unlock(&gate);
    return n;
}
const char *hx_last(void) { return last_op; }
void hx_mark(const char *words) {
    pthread_mutex_lock(&gate);
    if (armed) note('!', 1, TEXT(words));
    pthread_mutex_unlock(&gate);
}

/* A change by name: `call` is made, `record` is written down when it succeeded. */
#define CHANGE(op, path, call, record) do { \
    pthread_mutex_lock(&gate); \
    int what_ = reads ? NOTHING : step(op, path); \
    if (what_ == TORN) die(); \
    if (what_ == FAIL) { pthread_mutex_unlock(&gate); errno = code; return -1; } \
    int got_ = (call); \
    int kept_ = errno; \
    if (got_ >= 0) { record; } \
    pthread_mutex_unlock(&gate); \
    errno = kept_; \
    return got_; } while (0)

static void opened(int fd, const char *path, int was_there, int flags) {
    struct stat about;
    char ino[32];
    fstat(fd, &about);
    note('o', 4, TEXT(path), TEXT(number(ino, (long long)about.st_ino)), was_there ? "0" : "1", (size_t)1,
         flags & O_TRUNC ? "1" : "0", (size_t)1);
}
#define OPENING(folder, name, flags, call) do { \
    char path_[PATH_MAX]; \
    struct stat was_; \
    int writes_ = ((flags) & O_ACCMODE) != O_RDONLY || ((flags) & (O_CREAT | O_TRUNC)); \
    if (((flags) & O_TMPFILE) == O_TMPFILE || (!writes_ && !reads) || !resolve(folder, name, path_)) return call; \
    if (reads) { \
        pthread_mutex_lock(&gate); int what_ = step("open", path_); pthread_mutex_unlock(&gate); \
        if (what_ == FAIL) { errno = code; return -1; } \
        return call; } \
    int there_ = !lstat(path_, &was_); \
    /* An existing file opened for writing and not cut is no change yet. */ \
    if (there_ && !((flags) & O_TRUNC)) return call; \
    CHANGE("open", path_, call, opened(got_, path_, there_, flags)); } while (0)

#define MODE(flags) mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *name, int flags, ...) {
    MODE(flags); REAL(int, open, const char *, int, ...);
    OPENING(AT_FDCWD, name, flags, real_open(name, flags, mode));
}
int open64(const char *name, int flags, ...) {
    MODE(flags); REAL(int, open64, const char *, int, ...);
    OPENING(AT_FDCWD, name, flags, real_open64(name, flags, mode));
}
int openat(int folder, const char *name, int flags, ...) {
    MODE(flags); REAL(int, openat, int, const char *, int, ...);
    OPENING(folder, name, flags, real_openat(folder, name, flags, mode));
}
int openat64(int folder, const char *name, int flags, ...) {
    MODE(flags); REAL(int, openat64, int, const char *, int, ...);
    OPENING(folder, name, flags, real_openat64(folder, name, flags, mode));
}
int creat(const char *name, mode_t mode) { return open(name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return open64(name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* A stream of the C library writes behind our back: say so. */
static void unseen(const char *name, const char *mode) {
    char path[PATH_MAX];
    if (!reads && strpbrk(mode, "wa+") && resolve(AT_FDCWD, name, path)) {
        pthread_mutex_lock(&gate); note('?', 2, TEXT("fopen"), TEXT(path)); pthread_mutex_unlock(&gate); }
}
FILE *fopen(const char *name, const char *mode) {
    REAL(FILE *, fopen, const char *, const char *); unseen(name, mode); return real_fopen(name, mode);
}
FILE *fopen64(const char *name, const char *mode) {
    REAL(FILE *, fopen64, const char *, const char *); unseen(name, mode); return real_fopen64(name, mode);
}
void *mmap64(void *a, size_t n, int protection, int flags, int fd, off64_t offset) {
    REAL(void *, mmap64, void *, size_t, int, int, int, off64_t);
    char path[PATH_MAX]; struct stat about;
    if (armed && !reads && fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) && of_fd(fd, path, &about)) {
        pthread_mutex_lock(&gate); note('?', 2, TEXT("mmap"), TEXT(path)); pthread_mutex_unlock(&gate); }
    return real_mmap64(a, n, protection, flags, fd, offset);
}
void *mmap(void *a, size_t n, int protection, int flags, int fd, off_t offset) { return mmap64(a, n, protection, flags, fd, offset); }

/* Bytes into a file; `at_offset` below zero: where the file stands. A failing write writes half and then fails, as a full disk does. */
static ssize_t put(int fd, const void *data, size_t n, off64_t at_offset) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    char path[PATH_MAX], ino[32], where[32];
    struct stat about;
    int follow = armed && !reads && fd != journal && n && of_fd(fd, path, &about) && S_ISREG(about.st_mode);
    if (!follow) return at_offset < 0 ? raw_write(fd, data, n) : real_pwrite64(fd, data, n, at_offset);
    pthread_mutex_lock(&gate);
    int what = step("write", path);
    size_t part = what == NOTHING ? n : n / 2;
    off64_t offset = at_offset;
    if (at_offset < 0) offset = fcntl(fd, F_GETFL) & O_APPEND ? about.st_size : lseek64(fd, 0, SEEK_CUR);
    ssize_t got = part ? (at_offset < 0 ? raw_write(fd, data, part) : real_pwrite64(fd, data, part, at_offset)) : 0;
    int kept = errno;
    if (got > 0) note('w', 3, TEXT(number(ino, (long long)about.st_ino)), TEXT(number(where, offset)), data, (size_t)got);
    if (what == TORN) die();
    pthread_mutex_unlock(&gate);
    errno = what == FAIL ? code : kept;
    return what == FAIL ? -1 : got;
}
ssize_t write(int fd, const void *data, size_t n) { return armed ? put(fd, data, n, -1) : raw_write(fd, data, n); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) { return put(fd, data, n, offset); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) { return put(fd, data, n, offset); }
ssize_t writev(int fd, const struct iovec *pieces, int n_pieces) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    char path[PATH_MAX]; struct stat about;
    if (!armed || reads || !of_fd(fd, path, &about) || !S_ISREG(about.st_mode)) return real_writev(fd, pieces, n_pieces);
    ssize_t total = 0;
    for (int i = 0; i < n_pieces; i++) {
        ssize_t got = put(fd, pieces[i].iov_base, pieces[i].iov_len, -1);
        if (got < 0) return total ? total : -1;
        total += got;
        if ((size_t)got < pieces[i].iov_len) break;
    }
    return total;
}
/* Copies inside the kernel are refused, so that the caller copies by hand, through `write`. */
ssize_t sendfile(int out, int in, off_t *offset, size_t n) {
    REAL(ssize_t, sendfile, int, int, off_t *, size_t);
    char path[PATH_MAX]; struct stat about;
    if (armed && !reads && of_fd(out, path, &about)) { errno = ENOTSOCK; return -1; }
    return real_sendfile(out, in, offset, n);
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t n) { return sendfile(out, in, (off_t *)offset, n); }
ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t n, unsigned flags) {
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
    char path[PATH_MAX]; struct stat about;
    if (armed && !reads && of_fd(out, path, &about)) { errno = EXDEV; return -1; }
    return real_copy_file_range(in, a, out, b, n, flags);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, ftruncate64, int, off64_t);
    char path[PATH_MAX], ino[32], size[32]; struct stat about;
    if (reads || !of_fd(fd, path, &about)) return real_ftruncate64(fd, length);
    CHANGE("truncate", path, real_ftruncate64(fd, length),
           note('t', 2, TEXT(number(ino, (long long)about.st_ino)), TEXT(number(size, length))));
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
static int settle(const char *name, int (*real)(int), int fd) {
    char path[PATH_MAX], ino[32]; struct stat about;
    if (reads || !of_fd(fd, path, &about)) return real(fd);
    CHANGE(name, path, real(fd), note('f', 1, TEXT(number(ino, (long long)about.st_ino))));
}
int fsync(int fd) { REAL(int, fsync, int); return settle("fsync", real_fsync, fd); }
int fdatasync(int fd) { REAL(int, fdatasync, int); return settle("fdatasync", real_fdatasync, fd); }

static int moved(int from, const char *old, int to, const char *new, int (*real)(int, const char *, int, const char *, unsigned), unsigned flags) {
    char a[PATH_MAX], b[PATH_MAX];
    int is_a = resolve(from, old, a), is_b = resolve(to, new, b);
    if (reads || !(is_a || is_b)) return real(from, old, to, new, flags);
    CHANGE("rename", b, real(from, old, to, new, flags), note(flags & 2 ? 'x' : 'r', 2, TEXT(a), TEXT(b)));
}
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned);
    return moved(from, old, to, new, real_renameat2, flags);
}
static int plain_rename(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(int, renameat, int, const char *, int, const char *);
    (void)flags;
    return real_renameat(from, old, to, new);
}
int renameat(int from, const char *old, int to, const char *new) { return moved(from, old, to, new, plain_rename, 0); }
int rename(const char *old, const char *new) { return moved(AT_FDCWD, old, AT_FDCWD, new, plain_rename, 0); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    char a[PATH_MAX], b[PATH_MAX];
    if (reads || !resolve(to, new, b) || !resolve(from, old, a)) return real_linkat(from, old, to, new, flags);
    CHANGE("link", b, real_linkat(from, old, to, new, flags), note('l', 2, TEXT(a), TEXT(b)));
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }
int symlinkat(const char *target, int folder, const char *name) {
    REAL(int, symlinkat, const char *, int, const char *);
    char b[PATH_MAX];
    if (reads || !resolve(folder, name, b)) return real_symlinkat(target, folder, name);
    CHANGE("symlink", b, real_symlinkat(target, folder, name), note('s', 2, TEXT(target), TEXT(b)));
}
int symlink(const char *target, const char *name) { return symlinkat(target, AT_FDCWD, name); }
int unlinkat(int folder, const char *name, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    char b[PATH_MAX];
    if (reads || !resolve(folder, name, b)) return real_unlinkat(folder, name, flags);
    CHANGE(flags & AT_REMOVEDIR ? "rmdir" : "unlink", b, real_unlinkat(folder, name, flags),
           note(flags & AT_REMOVEDIR ? 'd' : 'u', 1, TEXT(b)));
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) {
    struct stat about;
    return !lstat(name, &about) && S_ISDIR(about.st_mode) ? rmdir(name) : unlink(name);
}
static void made(const char *path) {
    struct stat about;
    char ino[32];
    if (!lstat(path, &about)) note('m', 2, TEXT(path), TEXT(number(ino, (long long)about.st_ino)));
}
int mkdirat(int folder, const char *name, mode_t mode) {
    REAL(int, mkdirat, int, const char *, mode_t);
    char b[PATH_MAX];
    if (reads || !resolve(folder, name, b)) return real_mkdirat(folder, name, mode);
    CHANGE("mkdir", b, real_mkdirat(folder, name, mode), made(b));
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
int utimensat(int folder, const char *name, const struct timespec *times, int flags) {
    REAL(int, utimensat, int, const char *, const struct timespec *, int);
    char b[PATH_MAX];
    if (reads || !resolve(folder, name, b)) return real_utimensat(folder, name, times, flags);
    CHANGE("touch", b, real_utimensat(folder, name, times, flags), (void)0);
}

/* Reading: only ever made to fail. */
static int spoilt(int fd) {
    char path[PATH_MAX]; struct stat about;
    if (!armed || !reads || !of_fd(fd, path, &about) || !S_ISREG(about.st_mode)) return 0;
    pthread_mutex_lock(&gate);
    int what = step("read", path);
    pthread_mutex_unlock(&gate);
    if (what != FAIL) return 0;
    errno = code;
    return 1;
}
ssize_t read(int fd, void *data, size_t n) {
    REAL(ssize_t, read, int, void *, size_t);
    return armed && spoilt(fd) ? -1 : real_read(fd, data, n);
}
ssize_t pread64(int fd, void *data, size_t n, off64_t offset) {
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    return armed && spoilt(fd) ? -1 : real_pread64(fd, data, n, offset);
}
ssize_t pread(int fd, void *data, size_t n, off_t offset) { return pread64(fd, data, n, offset); }
