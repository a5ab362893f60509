#!/usr/bin/env python3
"""Reference cases: netlist, waveforms, topology and drill from one description.

A case is data/<name>.json: nodes, links, modules, events in SI units. From it come
  refgen.py netlist CASE.json           the ngspice netlist, on standard output
  refgen.py run CASE.json...            ngspice's waveforms, as CASE.csv (1 ms samples)
  refgen.py plan CASE.json...           when the links of "heal" and "start" close, into the description
  refgen.py topology CASE.json -o DIR   DIR/<name>.yaml and, with events, DIR/<name>.drill.yaml
  refgen.py cases                       writes the descriptions of the own cases

Events: ["cut", link, t], ["kill", node, t], ["close", link, t, ohm, end (0: a, 1: b), bypass delay],
["short", node, t, ohm, duration], ["heal", link, t], ["start", node, t]. The last two close links by
rule: `closings` of the description, [link, t, ohm, t of the bypass], made by `plan` (Closings below).
Element laws and switch ramps are those of docs/models/accuracy.md.
"""
import argparse
import copy
import json
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
V_UV = 36.0
LINK_HIGH, LINK_LOW = 54.0, 44.0  # voltage limits of a link's converter
OPEN_LOG, CLOSED_LOG = 5.0, -6.0  # log10 of the switch's resistance
OPEN_RAMP, CLOSE_RAMP = 40e-6, 20e-6
FAULT_EDGE, INPUT_EDGE = 1e-7, 4e-6
FUSE_S = 5e-7  # a fuse that has tripped goes from closed to open in this time
PRECHARGE, BYPASS_DV = 0.5, 1.0
DEATH_EDGE = 1e-6  # a dead node's load goes and comes in this time
GATE_S, PWM_EDGE_S = 1e-7, 1e-7  # switching converters: sampling aperture, edge of a leg
STEP = 2e-6
TIMEOUT = 300
SAMPLE = 1e-3
END_TOLERANCE = 1e-9
# Where several inductors are cut off at once the trapezoidal rule may ring until ngspice gives up.
METHODS = ("trap", "gear")


def num(x):
    return repr(float(x))


def pwl(points):
    return "PWL(" + " ".join(f"{num(t)} {num(v)}" for t, v in points) + ")"


def load_points(load):
    """(t, level) corners of a load curve; it starts at 0 W."""
    points, level = [], 0.0
    for at, to, ramp in load:
        points += [(at, level), (at + ramp, to)]
        level = to
    return points


def gated(points, dead):
    """The curve without what falls into [from, to) of `dead`."""
    for begin, end in dead:
        level = next((b for (t, b) in reversed(points) if t <= begin), 0.0)
        if any(begin < t < end + DEATH_EDGE for t, _ in points):
            sys.exit("a load changes while its node is dead: not supported")
        points = ([p for p in points if p[0] <= begin]
                  + [(begin, level), (begin + DEATH_EDGE, 0.0), (end, 0.0), (end + DEATH_EDGE, level)]
                  + [p for p in points if p[0] > end])
    return points


def dead_times(case, i):
    kills = [e[2] for e in case["events"] if e[0] == "kill" and e[1] == i]
    starts = [e[2] for e in case["events"] if e[0] == "start" and e[1] == i]
    return [(k, min((s for s in starts if s > k), default=case["tend"] * 2)) for k in kills]


def constant_power(name, node, source):
    return (f"B{name} {node} 0 I=v({source})*(v({node})>{V_UV} ? 1/v({node}) : "
            f"v({node})/{V_UV * V_UV})")


def pwm_lines(i, conv):
    """The same converter switching: control from samples at the middle of each on-time, held for a
    period; legs against a triangle, with edges that keep the duty."""
    o, lim, f_sw = f"o{i}", num(conv["ilim"]), conv["fsw"]
    per = 1 / f_sw
    k_sw, c_sw = conv.get("Ksw", 0) * f_sw, conv.get("Coss", 0) * f_sw / 2
    steep = num(per / 2 / PWM_EDGE_S)
    w = f"{num(conv['kc'])}*(v(r{i})-v(hi{i}))+{num(conv['R'])}*v(hi{i})"
    leg = "v({d}) >= 1 ? 1 : min(max((v({d})-v(tri{i}))*{k}+0.5,0),1)"
    held = [("ho", f"v({o})", conv["vref"]), ("hi", f"i(VL{i})", 0), ("hn", f"v(n{i})", 48.0)]
    out = [f"Vil{i} il{i} 0 {pwl(load_points(conv['iload']))}",
           f"Vtri{i} tri{i} 0 PULSE(0 1 0 {num(per / 2)} {num(per / 2 - 3e-9)} 1e-9 {num(per)})",
           f"Vg{i} g{i} 0 PULSE(0 1 {num(per - GATE_S - 2e-8)} 1e-9 1e-9 {num(GATE_S - 2e-9)} {num(per)})"]
    for name, value, ic in held:
        out += [f"B{name}{i} 0 {name}{i} I=v(g{i})*0.1*({value}-v({name}{i}))", f"C{name}{i} {name}{i} 0 1e-9 ic={num(ic)}"]
    return out + [
        f"Bdd{i} d{i} 0 V=min(max((v(ho{i})+{w})/v(hn{i}),0),1)",
        f"Bde{i} e{i} 0 V=min(max((v(hn{i})-({w}))/v(ho{i}),0),1)",
        f"Br{i} r{i} 0 V=min(max({num(conv['kp'])}*({num(conv['vref'])}-v(ho{i}))+v(q{i}),-{lim}),{lim})",
        f"Bq{i} 0 q{i} I={num(conv['ki'])}*({num(conv['vref'])}-v(ho{i}))", f"Cq{i} q{i} 0 1 ic=0",
        f"Bs1{i} s1{i} 0 V={leg.format(d=f'd{i}', i=i, k=steep)}",
        f"Bs2{i} s2{i} 0 V={leg.format(d=f'e{i}', i=i, k=steep)}",
        f"Bx{i} x{i} 0 V=v(s1{i})*v(n{i})", f"VL{i} x{i} xl{i} 0",
        f"Lc{i} xl{i} xr{i} {num(conv['L'])} ic=0", f"Rc{i} xr{i} xo{i} {num(conv['R'])}",
        f"Bxo{i} xo{i} 0 V=v(s2{i})*v({o})", f"Bxi{i} 0 {o} I=v(s2{i})*i(VL{i})",
        f"Co{i} {o} 0 {num(conv['Co'])} ic={num(conv['vref'])}", f"Bo{i} {o} 0 I=v(il{i})",
        f"Bin{i} n{i} 0 I=v(s1{i})*i(VL{i})+{num(conv['Pq'])}/v(n{i})+{num(k_sw)}*abs(i(VL{i}))"
        f"+{num(c_sw)}*(v(e{i})<1 ? max(v(n{i}),v({o})) : v(n{i}))"]


def stage_lines(i, conv, v_out):
    """An averaged 4-switch converter from node i to o<i>; v(r<i>) is the reference of its current. The output leg's
    duty is 1 below the bus."""
    o, w = f"o{i}", f"{num(conv['kc'])}*(v(r{i})-i(VL{i}))+{num(conv['R'])}*i(VL{i})"
    f_sw = conv.get("fsw", 200e3)
    k_sw, c_sw = conv.get("Ksw", 0) * f_sw, conv.get("Coss", 0) * f_sw / 2
    return [f"Bdd{i} d{i} 0 V=min(max((v({o})+{w})/v(n{i}),0),1)",
            f"Bde{i} e{i} 0 V=min(max((v(n{i})-({w}))/v({o}),0),1)",
            f"Bx{i} x{i} 0 V=v(d{i})*v(n{i})", f"VL{i} x{i} xl{i} 0",
            f"Lc{i} xl{i} xr{i} {num(conv['L'])} ic=0", f"Rc{i} xr{i} xo{i} {num(conv['R'])}",
            f"Bxo{i} xo{i} 0 V=v(e{i})*v({o})", f"Bxi{i} 0 {o} I=v(e{i})*i(VL{i})",
            f"Co{i} {o} 0 {num(conv['Co'])} ic={num(v_out)}",
            f"Bin{i} n{i} 0 I=v(d{i})*i(VL{i})+{num(conv['Pq'])}/v(n{i})+{num(k_sw)}*abs(i(VL{i}))"
            f"+{num(c_sw)}*(v(e{i})<1 ? max(v(n{i}),v({o})) : v(n{i}))"]


def conv_lines(i, conv):
    """A converter with a load, which its control holds at a voltage."""
    if conv.get("pwm"):
        return pwm_lines(i, conv)
    o, lim = f"o{i}", num(conv["ilim"])
    return [f"Vil{i} il{i} 0 {pwl(load_points(conv['iload']))}",
            f"Br{i} r{i} 0 V=min(max({num(conv['kp'])}*({num(conv['vref'])}-v({o}))+v(q{i}),-{lim}),{lim})",
            f"Bq{i} 0 q{i} I={num(conv['ki'])}*({num(conv['vref'])}-v({o}))", f"Cq{i} q{i} 0 1 ic=0",
            f"Bo{i} {o} 0 I=v(il{i})"] + stage_lines(i, conv, conv["vref"])


def lag(name, i, source, tau, start):
    """v(<name><i>) follows the source with the time constant."""
    return [f"B{name}{i} 0 {name}{i} I=1e-3*({source}-v({name}{i}))/({tau})",
            f"C{name}{i} {name}{i} 0 1e-3 ic={num(start)}"]


def store_lines(i, store, v_bus):
    """A supercapacitor behind a converter, with its charge management (docs/models/supercap.md) in continuous time, as
    long as no limit refuses anything."""
    o, n, lim, kp = f"o{i}", f"v(n{i})", num(store["ilim"]), num(store["kp"])
    c, esr, low, high = (num(store[k]) for k in ("Csc", "Rsc", "vmin", "vmax"))
    full = 0.5 * store["Csc"] * (store["vmax"] ** 2 - store["vmin"] ** 2)
    k_sw = num(store.get("Ksw", 0) * store.get("fsw", 200e3))
    target = store["target"] * full
    hold = 0.25 * store["Cbus"] * store["kc"] / store["L"]
    restore, p_max = num(store["restore"]), num(store["pmax"])
    # ngspice gets over neither a `time` in a source nor a start of the mean at 0.
    young, smooth = 1e-4, store["smooth"]
    return ([f"Vag{i} ag{i} 0 {pwl([(0.0, young), (young, young), (smooth, smooth)])}"]
            + [f"Bsh{i} sh{i} 0 V=min(max(v(p{i})>v(sl{i}) ? v(ej{i})/{num(target)} : "
               f"({num(full)}-v(ej{i}))/{num(full - target)},0.05),1)"]
            + lag("sl", i, f"v(p{i})", f"min({num(smooth)}*v(sh{i}),v(ag{i}))", 0.01)
            + lag("w", i, n, "0.1", v_bus)
            + lag("ve", i, f"v({o})-{esr}*i(Vst{i})", "0.05", store["v0"])
            + [f"Vst{i} {o} st{i} 0", f"Rst{i} st{i} sc{i} {esr}", f"Cst{i} sc{i} 0 {c} ic={num(store['v0'])}",
               f"Bej{i} ej{i} 0 V=0.5*{c}*(v(ve{i})*v(ve{i})-{low}*{low})",
               f"Brs{i} rs{i} 0 V=min(max(({num(target)}-v(ej{i}))/2,-{restore}),{restore})",
               f"Bgw{i} gw{i} 0 V=v(p{i})-v(sl{i})+{n}*{num(store['damp'])}*(v(w{i})-{n})"
               f"+{n}*{num(hold)}*max(0,{num(store['hold'])}-{n})-v(rs{i})",
               f"Bgl{i} gl{i} 0 V=min(max(v(gw{i}),-min(max(({num(full)}-v(ej{i}))*4,0),{p_max})),"
               f"min(max(v(ej{i})*4,0),{p_max}))",
               f"Bvt{i} vt{i} 0 V=max(min(v({o})+{num(store['R'])}*i(VL{i}),{n}),10)"
               f"-v(gl{i})/(abs(v(gl{i}))+1e-3)*{k_sw}*{n}",
               f"Br{i} r{i} 0 V=min(max(min(max(-v(gl{i})/v(vt{i}),min(-{kp}*(v({o})-{low}),0)),"
               f"max({kp}*({high}-v({o})),0)),-{lim}),{lim})"]
            + stage_lines(i, store, store["v0"]))


def node_lines(case, i, node):
    v0 = node.get("v0", case.get("v_init_default", 48.0))
    out = [f"Cb{i} n{i} 0 {num(node['C'])} ic={num(v0)}"]
    if node.get("Csc"):
        out += [f"Rsc{i} n{i} s{i} {num(node['Rsc'])}",
                f"Csc{i} s{i} 0 {num(node['Csc'])} ic={num(v0)}"]
    feed = node.get("feed")
    if feed:
        out += [f"Bft{i} ft{i} 0 V=min(max(({num(feed['V0'])}-v(n{i}))/{num(feed['Rd'])},0),"
                f"{num(feed['Imax'])})",
                f"Rff{i} ft{i} ff{i} 1", f"Cff{i} ff{i} 0 {num(feed['tau'])} ic=0",
                f"Bfi{i} 0 n{i} I=v(ff{i})"]
    if node.get("load"):
        out += [f"Vp{i} p{i} 0 {pwl(gated(load_points(node['load']), dead_times(case, i)))}",
                constant_power(f"l{i}", f"n{i}", f"p{i}")]
    if node.get("conv"):
        out += conv_lines(i, node["conv"])
    if node.get("store"):
        out += store_lines(i, dict(node["store"], Cbus=node["C"]), v0)
    shorts = [e for e in case["events"] if e[0] == "short" and e[1] == i]
    if shorts:
        points = [(0.0, 0.0)]
        for _, _, t, ohm, duration in shorts:
            points += [(t, 0.0), (t + FAULT_EDGE, 1 / ohm),
                       (t + duration, 1 / ohm), (t + duration + FAULT_EDGE, 0.0)]
        out += [f"Vg{i} g{i} 0 {pwl(points)}", f"Bg{i} n{i} 0 I=v(n{i})*v(g{i})"]
    return out


def switch_points(case, i, link):
    """(t, log10 ohm) of the link's switch, or nothing when it never moves."""
    open_log = case.get("open_log", OPEN_LOG)
    state = open_log if link.get("open") else CLOSED_LOG
    points = [(0.0, state)]
    events = case["events"] + [["close", k, t, ohm, 0, b - t] for k, t, ohm, b in case.get("closings", [])]
    for e in sorted(events, key=lambda e: e[2]):
        kind, index, t = e[:3]
        if (kind == "cut" and index == i) or (kind == "kill" and index in (link["a"], link["b"])):
            # passes 1 ohm at t
            begin = t - OPEN_RAMP * -CLOSED_LOG / (open_log - CLOSED_LOG)
            points += [(begin, points[-1][1]), (begin + OPEN_RAMP, open_log)]
        elif kind == "close" and index == i:
            ohm, _, bypass = e[3:]
            points += [(t - CLOSE_RAMP, points[-1][1]), (t, math.log10(ohm)),
                       (t + bypass, math.log10(ohm)), (t + bypass + CLOSE_RAMP, CLOSED_LOG)]
    return points if len(points) > 1 or link.get("open") else None


def link_conv_lines(case, i, link):
    """A converter at end a of a link, which sets the power into it."""
    conv, n, o = link["conv"], f"n{link['a']}", f"cv{i}"
    f_sw, lim, kp = conv.get("fsw", 200e3), num(conv["ilim"]), num(conv["kp"])
    k_sw, c_sw = conv.get("Ksw", 0) * f_sw, conv.get("Coss", 0) * f_sw / 2
    w = f"{num(conv['kc'])}*(v(cr{i})-i(VLc{i}))+{num(conv['R'])}*i(VLc{i})"
    v0 = case["nodes"][link["a"]].get("v0", case.get("v_init_default", 48.0))
    hi = f"{kp}*max(0,min({LINK_HIGH}-v({o}),v({n})-{LINK_LOW}))"
    lo = f"-{kp}*max(0,min({LINK_HIGH}-v({n}),v({o})-{LINK_LOW}))"
    return [f"Vcp{i} cp{i} 0 {pwl(load_points(conv['power']))}",
            f"Bcr{i} cr{i} 0 V=min(max(min(max(v(cp{i})/max(min(v({n})-{num(conv['R'])}*i(VLc{i}),v({o})),10),"
            f"{lo}),{hi}),-{lim}),{lim})",
            f"Bcd{i} cd{i} 0 V=min(max((v({o})+{w})/v({n}),0),1)",
            f"Bce{i} ce{i} 0 V=min(max((v({n})-({w}))/v({o}),0),1)",
            f"Bcx{i} cx{i} 0 V=v(cd{i})*v({n})", f"VLc{i} cx{i} cl{i} 0",
            f"Lcv{i} cl{i} cm{i} {num(conv['L'])} ic=0", f"Rcv{i} cm{i} cy{i} {num(conv['R'])}",
            f"Bcy{i} cy{i} 0 V=v(ce{i})*v({o})", f"Bcz{i} 0 {o} I=v(ce{i})*i(VLc{i})",
            f"Ccv{i} {o} 0 {num(conv['Co'])} ic={num(v0)}",
            f"Bci{i} {n} 0 I=v(cd{i})*i(VLc{i})+{num(conv['Pq'])}/v({n})+{num(k_sw)}*abs(i(VLc{i}))"
            f"+{num(c_sw)}*(v(ce{i})<1 ? max(v({n}),v({o})) : v({n}))"]


def link_lines(case, i, link):
    points = switch_points(case, i, link)
    end = f"lc{i}" if points or link.get("fuse") else f"n{link['b']}"
    begin = f"cv{i}" if link.get("conv") else f"n{link['a']}"
    out = link_conv_lines(case, i, link) if link.get("conv") else []
    out += [f"Vm{i} {begin} la{i} 0", f"R{i} la{i} lb{i} {num(link['R'])}",
           f"L{i} lb{i} {end} {num(link['L'])} ic=0"]
    if points:
        out += [f"Vs{i} sw{i} 0 {pwl(points)}",
                f"Bs{i} lc{i} n{link['b']} V=i(Vm{i})*pow(10,v(sw{i}))"]
    elif link.get("fuse"):
        # An ideal switch that latches: above the rating, into a side below V_UV. v(fq) is how far
        # it has opened.
        i_m, b = f"i(Vm{i})", f"n{link['b']}"
        hot = f"abs({i_m}) > {num(link['fuse'])} && ({i_m} > 0 ? v({b}) : v(n{link['a']})) < {V_UV}"
        out += [f"Bfq{i} 0 fq{i} I=({hot}) || v(fq{i}) > 0.1 ? (1-v(fq{i}))*{num(3e-9 / FUSE_S)} : 0",
                f"Cfq{i} fq{i} 0 1e-9 ic=0",
                f"Bs{i} lc{i} {b} V={i_m}*pow(10,{CLOSED_LOG}+{case.get('open_log', OPEN_LOG) - CLOSED_LOG}*v(fq{i}))"]
    return out


def module_lines(case, i, module):
    v0 = max(case["nodes"][n].get("v0", case.get("v_init_default", 48.0)) for n in module["inputs"])
    out = [f"Cin{i} m{i} 0 {num(module['C_in'])} ic={num(v0)}",
           f"Vpm{i} pm{i} 0 {pwl(load_points(module['load']))}",
           constant_power(f"lm{i}", f"m{i}", f"pm{i}")]
    for j, n in enumerate(module["inputs"]):
        gate = ""
        for e in case["events"]:
            if e[0] == "kill" and e[1] == n:
                out.append(f"Vk{i}_{j} k{i}_{j} 0 {pwl([(e[2] - INPUT_EDGE / 2, 1.0), (e[2] + INPUT_EDGE / 2, 0.0)])}")
                gate = f"v(k{i}_{j})*"
        out += [f"Vq{i}_{j} n{n} qa{i}_{j} 0",
                f"Bq{i}_{j} qa{i}_{j} m{i} I={gate}max(0,(v(qa{i}_{j})-v(m{i}))/{num(module['R_port'])})"]
    return out


def columns(case):
    """(csv name, ngspice expression) in the order of the file."""
    cols = [(f"v{i}", f"v(n{i})") for i in range(len(case["nodes"]))]
    cols += [(f"i{i}", f"i(Vm{i})") for i in range(len(case["links"]))]
    modules = case.get("modules", [])
    cols += [(f"vin{i}", f"v(m{i})") for i in range(len(modules))]
    cols += [(f"iin{i}_{j}", f"i(Vq{i}_{j})")
             for i, m in enumerate(modules) for j in range(len(m["inputs"]))]
    cols += [(f"ifeed{i}", f"v(ff{i})") for i, n in enumerate(case["nodes"]) if n.get("feed")]
    for i, n in enumerate(case["nodes"]):
        if n.get("conv"):
            cols += [(f"vo{i}", f"v(o{i})"), (f"iL{i}", f"i(VL{i})")]
        if n.get("store"):
            cols += [(f"vs{i}", f"v(sc{i})"), (f"is{i}", f"i(Vst{i})")]
    for i, l in enumerate(case["links"]):
        if l.get("conv"):
            cols += [(f"vc{i}", f"v(cv{i})"), (f"ic{i}", f"i(VLc{i})")]
    return cols


def netlist(case, raw, method="trap"):
    lines = [f"* {case['name']}",
             f".options reltol={case.get('reltol', 1e-5)} abstol=1e-6 vntol=1e-6 chgtol=1e-9 itl4=200 method={method}"]
    for i, n in enumerate(case["nodes"]):
        lines += node_lines(case, i, n)
    for i, l in enumerate(case["links"]):
        lines += link_lines(case, i, l)
    for i, m in enumerate(case.get("modules", [])):
        lines += module_lines(case, i, m)
    step = num(case.get("spice_step", STEP))
    end = num(case["tend"] + 0.6 * case.get("average", 0))
    lines += [f".tran {step} {end} 0 {step} uic", ".control",
              "set wr_singlescale", "set wr_vecnames", "set numdgt=10", "run",
              f"wrdata {raw} " + " ".join(e for _, e in columns(case)), "quit 0", ".endc", ".end"]
    return "\n".join(lines) + "\n"


def sample(raw, times):
    """Linear interpolation of the raw table at ascending times; None when it ends early."""
    rows = []
    with open(raw, encoding="ascii") as f:
        next(f)
        it = (list(map(float, line.split())) for line in f)
        before = after = next(it)
        for t in times:
            while after and after[0] < t - END_TOLERANCE:
                before, after = after, next(it, None)
            if not after:
                return None
            if after[0] == before[0] or after[0] <= t:
                rows.append(after[1:])
                continue
            q = (t - before[0]) / (after[0] - before[0])
            rows.append([b + q * (a - b) for b, a in zip(before[1:], after[1:])])
    return rows


def means(raw, times, width):
    """Means over `width` around ascending times (the first: behind it); None when it ends early."""
    rows, n = [], 0
    with open(raw, encoding="ascii") as f:
        next(f)
        before, sums = None, None
        for line in f:
            row = list(map(float, line.split()))
            if before is None:
                row[0] = 0.0  # ngspice's first row is a moment later
            while n < len(times):
                begin = times[n] - width / 2 if times[n] > 0 else 0.0
                end = begin + width
                if before is None or row[0] <= begin or row[0] <= before[0]:
                    break
                lo, hi, span = max(before[0], begin), min(row[0], end), row[0] - before[0]
                sums = sums or [0.0] * (len(row) - 1)
                for c in range(1, len(row)):
                    mid = before[c] + (row[c] - before[c]) * ((lo + hi) / 2 - before[0]) / span
                    sums[c - 1] += mid * (hi - lo) / width
                if row[0] < end:
                    break
                rows.append(sums)
                sums, n = None, n + 1
            before = row
    return rows if n == len(times) else None


def simulate(case, times, method):
    """Rows at the times, or None when ngspice gave up before the end."""
    with tempfile.TemporaryDirectory() as tmp:
        raw = os.path.join(tmp, "raw.txt")
        cir = os.path.join(tmp, "case.cir")
        with open(cir, "w", encoding="ascii") as f:
            f.write(netlist(case, raw, method))
        p = subprocess.run(["ngspice", "-b", cir], capture_output=True, text=True, check=False,
                           timeout=TIMEOUT)
        if not os.path.exists(raw):
            sys.exit(f"{case['name']}: ngspice failed:\n{p.stdout[-2000:]}\n{p.stderr[-2000:]}")
        if case.get("average"):
            return means(raw, times, case["average"])
        return sample(raw, times)


def waveforms(case, times):
    for method in case.get("methods", METHODS):
        rows = simulate(case, times, method)
        if rows:
            return rows, method
    sys.exit(f"{case['name']}: ngspice ends early with every method")


# Closings. What docs/models/link.md says of links that close by rule, applied to ngspice's voltages:
# the node that comes back (a newcomer, or the one with the largest capacitance left) closes one link
# after another, in their order. It announces in the step of
# the heal (a newcomer: in its second step), both ends act in the next. The neighbour's end has the
# resistor; from the step of the closing on it compares its voltage after the step with the node's
# before it, and both bypass in the next step when that is at most 1 V.
def closings(case):
    step = case.get("T", 1e-4)
    done = dict(case, closings=[])
    heals = [e for e in case["events"] if e[0] == "heal"]
    starts = [e for e in case["events"] if e[0] == "start"]
    if heals:
        links = [e[1] for e in heals]
        ends = [{case["links"][i]["a"], case["links"][i]["b"]} for i in links]
        node = next(iter(set.intersection(*ends)))
        at = round(heals[0][2] / step - 0.5 + 1e-6) + 1
    else:
        node = starts[0][1]
        links = [i for i, l in enumerate(case["links"]) if node in (l["a"], l["b"])]
        at = round(starts[0][2] / step - 0.5 + 1e-6) + 2
    steps = [k * step for k in range(round(case["tend"] / step) + 1)]
    for i in links:
        link = case["links"][i]
        other = link["b"] if link["a"] == node else link["a"]
        trial = dict(done, closings=done["closings"] + [[i, at * step, PRECHARGE, 2 * case["tend"]]])
        rows, _ = waveforms(trial, steps)
        k = next((k for k in range(at, len(steps) - 1)
                  if abs(rows[k + 1][other] - rows[k][node]) <= BYPASS_DV), None)
        if k is None:
            sys.exit(f"{case['name']}: link {i} is never bypassed")
        done["closings"].append([i, round(at * step, 9), PRECHARGE, round((k + 1) * step, 9)])
        at = k + 2
    return done["closings"]


def plan(path):
    with open(path, encoding="utf-8") as f:
        case = json.load(f)
    case["closings"] = closings(case)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(case, f, indent=1)
        f.write("\n")
    print(f"{path}: " + ", ".join(f"link {i} at {t:g} s, bypass at {b:g} s"
                                 for i, t, _, b in case["closings"]), flush=True)


def run(path):
    with open(path, encoding="utf-8") as f:
        case = json.load(f)
    if any(e[0] in ("heal", "start") for e in case["events"]) and "closings" not in case:
        plan(path)
        with open(path, encoding="utf-8") as f:
            case = json.load(f)
    every = case.get("sample", SAMPLE)
    times = [i * every for i in range(int(case["tend"] / every + 1e-6) + 1)]
    rows, method = waveforms(case, times)
    out = os.path.splitext(path)[0] + ".csv"
    with open(out, "w", encoding="ascii") as f:
        f.write(",".join(["t"] + [c for c, _ in columns(case)]) + "\n")
        for t, row in zip(times, rows):
            f.write(",".join(f"{x:.7g}" for x in [t] + row) + "\n")
    print(f"{out}: {len(rows)} samples, {method}", flush=True)


# ---- topology and drill ----------------------------------------------------------------------------


def quantity(x, unit):
    return f"{float(x):.12g}{unit}"


def yaml_load(load, unit="W"):
    return "[" + ", ".join(f"[{quantity(t, 's')}, {quantity(p, unit)}, {quantity(r, 's')}]"
                           for t, p, r in load) + "]"


def yaml_link_conv(link):
    conv = link["conv"]
    keys = [("l", conv["L"], "H"), ("r", conv["R"], "Ohm"), ("c_out", conv["Co"], "F"), ("kp", conv["kp"], ""),
            ("kc", conv["kc"], ""), ("p_fixed", conv["Pq"], "W"), ("i_lim", conv["ilim"], "A"),
            ("k_sw", conv.get("Ksw", 0), "s"), ("c_oss", conv.get("Coss", 0), "F")]
    return (f", converter: {{ at: n{link['a']}, " + ", ".join(f"{k}: {quantity(x, u)}" for k, x, u in keys)
            + f", power: {yaml_load(conv['power'])} }}")


def yaml_conv(conv):
    keys = [("l", conv["L"], "H"), ("r", conv["R"], "Ohm"), ("c_out", conv["Co"], "F"),
            ("v_ref", conv["vref"], "V"), ("kp", conv["kp"], ""), ("ki", conv["ki"], ""),
            ("kc", conv["kc"], ""), ("p_fixed", conv["Pq"], "W"), ("i_lim", conv["ilim"], "A"),
            ("k_sw", conv.get("Ksw", 0), "s"), ("c_oss", conv.get("Coss", 0), "F")]
    return ("{ " + ", ".join(f"{k}: {quantity(x, u)}" for k, x, u in keys)
            + f", load: {yaml_load(conv['iload'], 'A')} }}")


def yaml_store(store):
    keys = [("v_min", store["vmin"], "V"), ("v_max", store["vmax"], "V"), ("target", 100 * store["target"], "%"),
            ("initial", store["v0"], "V"), ("p_max", store["pmax"], "W"), ("restore", store["restore"], "W"),
            ("smooth", store["smooth"], "s"), ("hold", store["hold"], "V"), ("damp", store["damp"], ""),
            ("l", store["L"], "H"), ("r", store["R"], "Ohm"), ("c_out", store["Co"], "F"), ("kp", store["kp"], ""),
            ("kc", store["kc"], ""), ("p_fixed", store["Pq"], "W"), ("i_lim", store["ilim"], "A"),
            ("k_sw", store.get("Ksw", 0), "s"), ("c_oss", store.get("Coss", 0), "F")]
    return (f"{{ c: {quantity(store['Csc'], 'F')}, esr: {quantity(store['Rsc'], 'Ohm')}, converter: {{ "
            + ", ".join(f"{k}: {quantity(x, u)}" for k, x, u in keys) + " } }")


def topology(case):
    init = case.get("v_init_default", 48.0)
    out = ["voltloom: 1", "mesh:", f"  name: {case['name'].replace('.', '-')[:31]}",
           f"  step: {quantity(case.get('T', 1e-4), 's')}", "  substeps: 10", "  seed: 1",
           "  control: none", "  sensors: ideal", "nodes:"]
    for i, n in enumerate(case["nodes"]):
        sc = (f"{{ c: {quantity(n['Csc'], 'F')}, esr: {quantity(n['Rsc'], 'Ohm')} }}"
              if n.get("Csc") else yaml_store(n["store"]) if n.get("store") else "none")
        out += [f"  - id: n{i}", f"    initial: {quantity(n.get('v0', init), 'V')}",
                f"    c_bus: {quantity(n['C'], 'F')}", f"    supercap: {sc}"]
        feed = n.get("feed")
        if feed:
            out.append(f"    feed: {{ v0: {quantity(feed['V0'], 'V')}, droop: {quantity(feed['Rd'], 'Ohm')}, "
                       f"i_rated: {quantity(feed['Imax'] / 1.25, 'A')}, "
                       f"i_max: {quantity(feed['Imax'], 'A')}, tau: {quantity(feed['tau'], 's')} }}")
        if n.get("load"):
            out.append(f"    load: {yaml_load(n['load'])}")
        if n.get("conv"):
            out.append(f"    converter: {yaml_conv(n['conv'])}")
    out.append("links:")
    for i, l in enumerate(case["links"]):
        fuse = quantity(l["fuse"], "A") if l.get("fuse") else "none"
        out.append(f"  - {{ id: l{i}, between: [n{l['a']}, n{l['b']}], fuse: {fuse}, r: {quantity(l['R'], 'Ohm')}, "
                   f"l: {quantity(l['L'], 'H')}{', open: true' if l.get('open') else ''}"
                   + (yaml_link_conv(l) if l.get("conv") else "") + " }")
    if case.get("modules"):
        out.append("modules:")
    for i, m in enumerate(case.get("modules", [])):
        feeds = ", ".join(f"n{n}" for n in m["inputs"])
        out.append(f"  - {{ id: m{i}, class: fixed, feeds: [{feeds}], c_in: {quantity(m['C_in'], 'F')}, "
                   f"r_port: {quantity(m['R_port'], 'Ohm')}, load: {yaml_load(m['load'])} }}")
    return "\n".join(out) + "\n"


def drill(case):
    out = ["drill: 1", f"name: {case['name'].replace('.', '-')}", f"topology: {case['name']}.yaml",
           "timeline:"]
    for e in case["events"]:
        kind, index, t = e[:3]
        target = f"{'n' if kind in ('kill', 'short', 'start') else 'l'}{index}"
        line = f"  - {{ at: {quantity(t, 's')}, do: {kind}, target: {target}"
        if kind == "close":
            ohm, end, bypass = e[3:]
            link = case["links"][index]
            line += (f", with: {{ precharge: {quantity(ohm, 'Ohm')}, "
                     f"at: n{link['b' if end else 'a']}, bypass: {quantity(bypass, 's')} }}")
        elif kind == "short":
            line += f", with: {{ r: {quantity(e[3], 'Ohm')} }}, for: {quantity(e[4], 's')}"
        out.append(line + " }")
    return "\n".join(out) + "\n"


# ---- own cases ---------------------------------------------------------------------------------------


def read(name):
    with open(os.path.join(DATA, name + ".json"), encoding="utf-8") as f:
        return json.load(f)


def own_cases():
    """Descriptions made from the given networks by moving or adding events."""
    for phase in range(10):
        case = read("ref9_tri3_dualfed_loadstep")
        case["name"] = f"own_phase{phase}"
        case["desc"] = f"ref9 with the modules' steps {phase / 10} ms after a sample"
        for i, m in enumerate(case["modules"]):
            m["load"][1][0] = round(0.1 + 0.05 * i + phase * 1e-4, 6)
        yield case
    case = read("ref3_ring8_linkcut")
    case.update(name="own_death", events=[["kill", 5, 0.4002]], desc="ref3 without the cut; node 5 dies")
    yield case
    case = read("ref9_tri3_dualfed_loadstep")
    case.update(name="own_takeover", events=[["kill", 2, 0.2704]],
                desc="ref9; a feed node that two dual-fed modules hang on dies")
    yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_close", tend=0.3, events=[["close", 0, 0.1502, 0.5, 1, 0.02]],
                desc="ref1 with link 0 open and 1 kW at node 1 from 50 ms on; the link closes over "
                     "0.5 Ohm at node 1 and is bypassed after 20 ms")
    case["links"][0]["open"] = True
    case["nodes"][1]["load"] = [[0.0, 100, 0.001], [0.05, 1000, 0.001]]
    yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_short", tend=0.06, T=1e-5, spice_step=5e-7, sample=1e-4,
                events=[["short", 1, 0.03, 0.2, 0.005]],
                desc="ref1; 0.2 Ohm across bus 1 for 5 ms; compared at T = 10 us")
    case["nodes"][1]["load"] = [[0.0, 100, 0.001]]
    yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_fuse", tend=0.05, T=1e-5, spice_step=2e-7, sample=1e-4, open_log=4.0, methods=["gear"],
                events=[["short", 1, 0.03, 0.005, 0.04]],
                desc="ref1 with fuses of 150 A; bus 1 bolted to ground (5 mOhm) from 30 ms on; "
                     "compared at T = 10 us")
    case["nodes"][1]["load"] = [[0.0, 100, 0.001]]
    for link in case["links"]:
        link["fuse"] = 150
    yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_blackstart", tend=1.6, spice_step=1e-5, v_init_default=0.0,
                desc="ref1 from 0 V: both feeds at their limits until the buses are up")
    case["nodes"][1]["load"] = [[0.0, 100, 0.001]]
    yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_rejoin", tend=0.3, open_log=3.0, methods=["gear"],
                events=[["cut", 0, 0.1212], ["cut", 1, 0.1212], ["heal", 0, 0.1302], ["heal", 1, 0.1302]],
                desc="ref1; node 1, without a supercapacitor, is cut off and emptied by its load to 3 V "
                     "below the others; its links come back by rule, pre-charge and bypass, one after another")
    del case["nodes"][1]["Csc"], case["nodes"][1]["Rsc"]
    case["nodes"][1]["C"] = 0.025  # the largest: it hosts every link
    case["nodes"][1]["load"] = [[0.0, 400, 0.001], [0.13, 21, 1e-4]]
    yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_restart", tend=0.3, open_log=3.0, methods=["gear"], events=[["kill", 1, 0.1002], ["start", 1, 0.1302]],
                desc="ref1; node 1, without a supercapacitor and with 400 W, dies and comes back with its charge")
    del case["nodes"][1]["Csc"], case["nodes"][1]["Rsc"]
    case["nodes"][1]["load"] = [[0.0, 400, 0.001]]
    yield case
    yield grid24()
    node_2kw = {"L": 10e-6, "R": 16e-3, "Co": 2e-3, "kp": 15.0, "ki": 10000.0, "kc": 0.25, "Pq": 11.0,
                "Ksw": 22e-9, "Coss": 4e-9, "ilim": 60.0}
    for name, vref, load, desc in (
            ("boost", 56.0, [[0.0, 4, 0.001], [0.1, 20, 1e-5], [0.2, 6, 1e-5]], "steps up to 56 V"),
            ("buckboost", 48.0, [[0.0, 5, 0.001], [0.1, 30, 1e-5], [0.2, 2, 1e-5]],
             "holds 48 V while its bus passes 48 V"),
            ("reverse", 24.0, [[0.0, 10, 0.001], [0.1, -20, 1e-5], [0.2, 15, 1e-5]],
             "holds 24 V while its output turns from a load into a source and back")):
        case = read("ref5_tri3_buck48to12")
        case.update(name="own_conv_" + name, tend=0.3, desc="ref5 with a converter that " + desc)
        case["nodes"][1]["conv"] = dict(node_2kw, vref=vref, iload=load)
        yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_conv_link", tend=0.3,
                desc="ref1 with a converter at end a of link 0, which sets +500 W and then -500 W")
    case["nodes"][1]["load"] = [[0.0, 100, 0.001]]
    case["links"][0]["conv"] = dict(node_2kw, Co=0.01, kp=30.0,
                                    power=[[0.0, 0, 0.001], [0.1, 500, 1e-5], [0.2, -500, 1e-5]])
    del case["links"][0]["conv"]["ki"]
    yield case
    for name, vref, load, desc in (
            ("buck", 12.0, [[0.0, 10, 0.001], [0.008, 20, 1e-5]], "steps down to 12 V, 10 to 20 A"),
            ("boost", 56.0, [[0.0, 4, 0.001], [0.008, 14, 1e-5]], "steps up to 56 V, 4 to 14 A")):
        case = read("ref1_tri3_loadstep")
        case.update(name="own_switching_" + name, tend=0.016, T=5e-5, spice_step=2e-8, sample=1e-4,
                    average=5e-6, links=case["links"][:1], nodes=case["nodes"][:2],
                    desc="two nodes; a converter that switches at 200 kHz and " + desc
                         + "; waveforms are means over a switching period")
        case["nodes"][1]["load"] = [[0.0, 100, 0.001]]
        case["nodes"][1]["conv"] = dict(node_2kw, vref=vref, iload=load, fsw=200e3, pwm=True)
        yield case
    case = read("ref1_tri3_loadstep")
    case.update(name="own_supercap", tend=0.5,
                desc="ref1 with the supercapacitor of node 1 behind a converter: it shaves the step of 900 W, hands over "
                     "with 0.2 s and takes its charge back with at most 100 W")
    node = case["nodes"][1]
    node["store"] = dict(node_2kw, kp=30.0, ilim=75.0, Csc=node.pop("Csc"), Rsc=node.pop("Rsc"), vmin=20.0, vmax=48.0,
                         v0=43.85, target=0.8, pmax=1500.0, restore=100.0, smooth=0.2, hold=46.0, damp=50.0)
    node["load"] = [[0.1, 900, 1e-4], [0.3, 200, 1e-4]]
    del node["store"]["ki"]
    yield case


def grid24():
    """24 nodes in a grid of 4 x 6 with 38 links and 6 feeds; loads step at five of them."""
    rows, cols, feeds = 4, 6, {0: 40, 4: 60, 9: 50, 14: 50, 19: 60, 23: 40}
    steps = {3: (0.1, 800), 7: (0.1, 500), 12: (0.15, 900), 17: (0.2, 700), 20: (0.2, 400)}
    nodes, links = [], []
    for i in range(rows * cols):
        base = 60 + 10 * (i * 7 % 11)
        node = {"C": 0.02, "Csc": 1.0, "Rsc": 0.02, "load": [[0.0, base, 0.001]]}
        if i in steps:
            node["load"].append([steps[i][0], steps[i][1], 1e-4])
        if i in feeds:
            node["feed"] = {"V0": 48.5, "Rd": 0.02 * 48 / feeds[i], "Imax": 1.25 * feeds[i], "tau": 1e-3}
        nodes.append(node)
        for to in ([i + 1] if i % cols < cols - 1 else []) + ([i + cols] if i + cols < rows * cols else []):
            n = len(links)
            links.append({"a": i, "b": to, "R": (10 + n * 5 % 12) * 1e-3, "L": (30 + n * 7 % 20) * 1e-7})
    return {"name": "own_grid24", "tend": 0.3, "spice_step": 4e-6, "nodes": nodes, "links": links, "events": [],
            "desc": "24 nodes, 38 links, 6 droop feeds; five load steps", "Vuv": V_UV, "v_init_default": 48.0}


def write_cases():
    for case in own_cases():
        case = copy.deepcopy(case)
        path = os.path.join(DATA, case["name"] + ".json")
        if os.path.exists(path):
            old = read(case["name"])
            times = old.pop("closings", None)
            if times and old == case:  # else to be planned again
                case["closings"] = times
        with open(path, "w", encoding="utf-8") as f:
            json.dump(case, f, indent=1)
            f.write("\n")
        print(case["name"])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="verb", required=True)
    p = sub.add_parser("netlist")
    p.add_argument("case")
    p = sub.add_parser("run")
    p.add_argument("case", nargs="+")
    p = sub.add_parser("topology")
    p.add_argument("case", nargs="+")
    p.add_argument("-o", "--out", default=".")
    p = sub.add_parser("plan")
    p.add_argument("case", nargs="+")
    sub.add_parser("cases")
    args = ap.parse_args()
    if args.verb == "cases":
        write_cases()
    elif args.verb in ("run", "plan"):
        for path in args.case:
            (run if args.verb == "run" else plan)(path)
    else:
        for path in [args.case] if args.verb == "netlist" else args.case:
            with open(path, encoding="utf-8") as f:
                case = json.load(f)
            if args.verb == "netlist":
                sys.stdout.write(netlist(case, "raw.txt"))
                continue
            base = os.path.join(args.out, case["name"])
            with open(base + ".yaml", "w", encoding="ascii") as f:
                f.write(topology(case))
            if case["events"]:
                with open(base + ".drill.yaml", "w", encoding="ascii") as f:
                    f.write(drill(case))


if __name__ == "__main__":
    main()
