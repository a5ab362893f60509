/* fuzz_file.h - the input of a fuzz target as a file that has a path. */
#ifndef VL_FUZZ_FILE_H
#define VL_FUZZ_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* The caller closes it; the path is good until then. */
static inline int
fuzz_file_open(const uint8_t *data, size_t size, char path[64])
{
	int fd = memfd_create("input", 0);

	assert(fd >= 0);
	ssize_t written = size ? write(fd, data, size) : 0;
	assert(written == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

#endif
