#include "glyph.h"

#include <assert.h>
#include <math.h>

static const struct {
	uint32_t box, ascii;
} table[] = {
#define X(name, box, ascii) { box, ascii },
	GLYPH_TABLE(X)
#undef X
};

uint32_t
glyph(enum glyph_tier tier, enum glyph g)
{
	assert(g >= 0 && g < GLYPH_END_);
	return tier == GLYPH_ASCII ? table[g].ascii : table[g].box;
}

uint32_t
glyph_line(enum glyph_tier tier, unsigned sides, enum glyph_weight weight)
{
	/*                                   -    N    E    NE   S    NS   ES   NES  W    NW   EW */
	static const uint32_t light[16] = { ' ',    0x2575, 0x2576, 0x2514, 0x2577, 0x2502,
		                            0x250c, 0x251c, 0x2574, 0x2518, 0x2500, 0x2534,
		                            0x2510, 0x2524, 0x252c, 0x253c };
	static const uint32_t heavy[16] = { ' ',    0x2579, 0x257a, 0x2517, 0x257b, 0x2503,
		                            0x250f, 0x2523, 0x2578, 0x251b, 0x2501, 0x253b,
		                            0x2513, 0x252b, 0x2533, 0x254b };
	sides &= 15;
	unsigned across = GLYPH_SIDE_E | GLYPH_SIDE_W, down = GLYPH_SIDE_N | GLYPH_SIDE_S;
	if (tier == GLYPH_ASCII) {
		if (!sides)
			return ' ';
		if (!(sides & ~across))
			return weight == GLYPH_HEAVY ? '=' : weight == GLYPH_DASHED ? '.' : '-';
		if (!(sides & ~down))
			return weight == GLYPH_HEAVY ? 'H' : weight == GLYPH_DASHED ? ':' : '|';
		return '+';
	}
	if (weight == GLYPH_DASHED && sides && !(sides & ~across))
		return 0x254c;
	if (weight == GLYPH_DASHED && sides && !(sides & ~down))
		return 0x254e;
	return weight == GLYPH_HEAVY ? heavy[sides] : light[sides];
}

uint32_t
glyph_spark(enum glyph_tier tier, double level)
{
	static const char ascii[] = "_.-=+*#@";
	if (isnan(level))
		return ' ';
	int i = (int)(fmin(fmax(level, 0), 1) * 7 + 0.5);
	return tier == GLYPH_ASCII ? (uint32_t)ascii[i] : 0x2581 + (uint32_t)i;
}

uint32_t
glyph_bar(enum glyph_tier tier, double fraction, int i, int n)
{
	double part = (isnan(fraction) ? 0 : fmin(fmax(fraction, 0), 1)) * n - i;
	if (part >= 1)
		return glyph(tier, GLYPH_BAR_FULL);
	if (part < 1.0 / 8)
		return glyph(tier, GLYPH_BAR_EMPTY);
	/* left eighths of a cell: U+2589 is seven, U+258F one */
	return tier == GLYPH_ASCII ? '=' : 0x2590 - (uint32_t)(part * 8);
}

void
glyph_plot_size(enum glyph_tier tier, int *columns, int *rows)
{
	*columns = tier == GLYPH_BRAILLE ? 2 : 1;
	*rows = tier == GLYPH_BRAILLE ? 4 : 2;
}

uint32_t
glyph_plot(enum glyph_tier tier, unsigned dots)
{
	/* Unicode numbers the dots of the last row 7 and 8. */
	static const unsigned char braille[8] = { 0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80 };
	static const uint32_t block[4] = { ' ', 0x2580, 0x2584, 0x2588 };
	static const uint32_t ascii[4] = { ' ', '\'', '.', ':' };
	if (tier != GLYPH_BRAILLE)
		return tier == GLYPH_BLOCK ? block[dots & 3] : ascii[dots & 3];
	unsigned bits = 0;
	for (unsigned i = 0; i < 8; i++)
		if (dots >> i & 1)
			bits |= braille[i];
	return bits ? 0x2800 + bits : ' ';
}

size_t
glyph_utf8(uint32_t c, char out[5])
{
	size_t n = 0;
	if (c < 0x80) {
		out[n++] = (char)c;
	} else if (c < 0x800) {
		out[n++] = (char)(0xc0 | c >> 6);
		out[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		assert(c < 0x10000);
		out[n++] = (char)(0xe0 | c >> 12);
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		out[n++] = (char)(0x80 | (c & 0x3f));
	}
	out[n] = '\0';
	return n;
}
