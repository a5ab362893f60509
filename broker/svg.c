#include "svg.h"

#include <stdarg.h>
#include <string.h>

/* Colours: Okabe and Ito, readable with every kind of colour vision. */
static const char style[] =
	"<style>\n"
	"svg{--page:#fff;--ink:#1b1f24;--dim:#5b6570;--face:#f3f6f9;--edge:#8593a1;--line:#56b4e9;"
	"--warn:#e69f00;--bad:#d55e00;--feed:#009e73;--module:#cc79a7;--useful:#009e73;"
	"--loss:#d55e00;--stored:#e69f00;--bus:#0072b2;font-family:system-ui,-apple-system,"
	"'Segoe UI',Roboto,'DejaVu Sans',sans-serif;background:var(--page)}\n"
	"@media(prefers-color-scheme:dark){svg{--page:#14181d;--ink:#e8edf2;--dim:#9aa7b4;"
	"--face:#212831;--edge:#637180;--line:#56b4e9;--feed:#2fc79b;--module:#e09bc4;"
	"--useful:#2fc79b;--bus:#4aa3df}}\n"
	".page{fill:var(--page)}\n"
	"text{fill:var(--ink);font-size:12px}.t{font-size:18px;font-weight:600}"
	".h{font-weight:600;font-size:13px}.s{fill:var(--dim);font-size:11px}\n"
	".node{fill:var(--face);stroke:var(--edge);stroke-width:1.5}"
	".feed{fill:var(--page);stroke:var(--feed);stroke-width:1.8}"
	".module{fill:var(--page);stroke:var(--module);stroke-width:1.5}"
	".tag{fill:var(--page);opacity:.88}\n"
	".link,.ok{stroke:var(--line)}.warn{stroke:var(--warn)}.bad{stroke:var(--bad)}"
	".open{stroke:var(--edge);stroke-dasharray:3 6}"
	".wire{stroke:var(--feed)}.port{stroke:var(--module)}"
	".port2{stroke:var(--module);stroke-dasharray:4 4}\n"
	".arrow{fill:var(--line);stroke:var(--page);stroke-width:1}"
	".arrow.warn{fill:var(--warn);stroke:var(--page)}"
	".arrow.bad{fill:var(--bad);stroke:var(--page)}\n"
	".halo text{paint-order:stroke;stroke:var(--page);stroke-width:3px;stroke-linejoin:round}\n"
	".f{opacity:.45}.f:hover{opacity:.8}.f.source,.b.source{fill:var(--feed)}"
	".f.bus,.b.bus{fill:var(--bus)}.f.useful,.b.useful{fill:var(--useful)}"
	".f.loss,.b.loss{fill:var(--loss)}.f.stored,.b.stored{fill:var(--stored)}"
	".f.other,.b.other{fill:var(--edge)}\n"
	"</style>\n";

void
svg_escaped(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			fputs("&amp;", f);
		else if (*text == '<')
			fputs("&lt;", f);
		else if (*text == '>')
			fputs("&gt;", f);
		else if (*text == '"')
			fputs("&quot;", f);
		else
			putc(*text, f);
	}
}

void
svg_begin(FILE *f, double w, double h, const char *title)
{
	fprintf(f,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
	        "viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>",
	        w, h, w, h);
	svg_escaped(f, title);
	fprintf(f, "</title>\n%s<rect class=\"page\" width=\"%.0f\" height=\"%.0f\"/>\n", style, w,
	        h);
}

void
svg_end(FILE *f)
{
	fputs("</svg>\n", f);
}

void
svg_text(FILE *f, double x, double y, enum svg_anchor anchor, const char *class_, const char *fmt,
         ...)
{
	static const char *const anchors[] = { "start", "middle", "end" };
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fprintf(f, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class_, x, y,
	        anchors[anchor]);
	svg_escaped(f, text);
	fputs("</text>\n", f);
}

void
svg_box(FILE *f, double x, double y, double w, double h, double round, const char *class_)
{
	fprintf(f,
	        "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
	        "rx=\"%.1f\"/>\n",
	        class_, x - w / 2, y - h / 2, w, h, round);
}

void
svg_line(FILE *f, double x1, double y1, double x2, double y2, double width, const char *class_)
{
	fprintf(f,
	        "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
	        "stroke-width=\"%.1f\"/>\n",
	        class_, x1, y1, x2, y2, width);
}

double
svg_text_width(const char *text, double size)
{
	return 0.58 * size * (double)strlen(text);
}
