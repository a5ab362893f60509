#!/usr/bin/env python3
"""Link flows of a running mesh: scripts/subscribe.py SOCK_DIR [MESSAGES]   (`voltloom ps --json`: sock_dir)"""
import sys, zmq, msgpack
sub = zmq.Context().socket(zmq.SUB)
sub.connect(f"ipc://{sys.argv[1]}/relay.sub")
sub.subscribe("t1.link.")
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize):
    topic, body = sub.recv_multipart()
    m = msgpack.unpackb(body)
    print(f"{m['t_ns'] / 1e9:9.3f} s  {topic.decode()[8:]:8} from {m['end']:8} {m['i_a']:+8.2f} A {m['p_w']:+9.1f} W", flush=True)
