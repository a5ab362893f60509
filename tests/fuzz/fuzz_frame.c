/* A control frame off the channel: whatever it says, what is accepted packs to the same bytes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sealed[FRAME_MAX], again[FRAME_MAX];
	struct frame f;
	struct err err = ERR_INIT;

	(void)frame_unpack(data, size, &f, &err);
	/* With a right checksum, so that the rest is looked at too. */
	if (size < 4 || size > FRAME_MAX)
		return 0;
	memcpy(sealed, data, size);
	uint32_t sum = frame_crc(sealed, size - 4);
	for (size_t i = 0; i < 4; i++)
		sealed[size - 4 + i] = (uint8_t)(sum >> 8 * i);
	if (frame_unpack(sealed, size, &f, &err) == 0) {
		assert(frame_pack(&f, again) == size);
		assert(memcmp(sealed, again, size) == 0);
	}
	return 0;
}
