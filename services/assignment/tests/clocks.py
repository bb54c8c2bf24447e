"""A clock of a process that a test sets: a library loaded before all others shifts its time."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile long long *offset_microseconds;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY);
    void *found = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) offset_microseconds = found;
}

static long long shifted(long long seconds, long long microseconds) {
    return seconds * 1000000 + microseconds + (offset_microseconds ? *offset_microseconds : 0);
}

int clock_gettime(clockid_t clock, struct timespec *told) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, told);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long now = shifted(told->tv_sec, told->tv_nsec / 1000);
        told->tv_nsec = now % 1000000 * 1000 + told->tv_nsec % 1000;
        told->tv_sec = now / 1000000;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
"""


@dataclass(frozen=True)
class SetClock:
    """The clock of whatever is started with `env`."""

    library: Path
    offset: Path

    @property
    def env(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCK_OFFSET_FILE": str(self.offset)}

    def shift(self, seconds: float) -> None:
        """Sets it so far from the machine's clock, at once."""
        with self.offset.open("r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1_000_000)))


def set_clock(directory: Path) -> SetClock:
    """Builds the library in a directory that whoever loads it may read; without a C compiler the
    test is skipped.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler to build a clock with")
    source, library = directory / "clock.c", directory / "clock.so"
    source.write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    clock = SetClock(library, directory / "offset")
    clock.offset.write_bytes(bytes(8))
    clock.offset.chmod(0o644)
    library.chmod(0o755)
    return clock
