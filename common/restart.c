#include "restart.h"

int
restart_from(struct slice *s, const struct rec_file *f, struct err *err)
{
	const union rec_word *w = rec_file_frame(f, rec_file_last_k(f));
	int v = rec_file_field(f, s->kind == PROC_NODE ? "v" : "v_in");
	int v_sc = rec_file_field(f, "v_sc");
	int temp = s->kind == PROC_NODE ? rec_file_field(f, "temp") : -1;

	if (!w || v < 0 || (s->kind == PROC_NODE && v_sc < 0))
		return err_set(err, ERR_NOTFOUND, "%s: its predecessor left no frame", s->id);
	s->restarted = true;
	s->init_v_v = w[v].f;
	s->init_v_sc_v = v_sc < 0 ? 0 : w[v_sc].f;
	if (temp >= 0) {
		s->init_temp_c = w[temp].f;
		s->init_temp_k = rec_file_last_k(f);
	}
	return 0;
}
