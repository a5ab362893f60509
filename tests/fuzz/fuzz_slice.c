/* The file that tells a process what it is: what is taken is written again and taken again. Its figures are the
 * supervisor's, who has them from a topology; they are not judged twice. */
#include <stdlib.h>

#include "fuzz_file.h"
#include "slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice *s = NULL, *again = NULL;
	struct err err = ERR_INIT;
	char path[64], copy[64];
	int fd = fuzz_file_open(data, size, path);

	if (slice_read(path, &s, &err) == 0) {
		int out = fuzz_file_open(NULL, 0, copy);
		if (slice_write(s, copy, &err) || slice_read(copy, &again, &err))
			abort();
		close(out);
	}
	slice_destroy(&again);
	slice_destroy(&s);
	close(fd);
	return 0;
}
