/* Everything that a client takes from a relay: a telemetry message (topic, 0 byte, body), and the
 * same bytes as the data of a status reply; what is taken goes into a view. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "telem.h"
#include "view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct telem_msg msg;
	static struct shot shot;
	struct view *view = NULL;
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	if (view_create(NULL, &view, NULL))
		return 0;
	if (end && telem_parse(data, (size_t)(end - data), end + 1, size - (size_t)(end - data) - 1,
	                       &msg, NULL) == 0)
		view_telem(view, &msg, 0, NULL);
	if (size)
		view_status(view, data, size, 0, NULL);
	view_sample(view, 0, &shot, NULL);
	view_destroy(&view);
	return 0;
}
