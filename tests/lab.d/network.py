"""The network of a scene, in namespaces that only the scene sees:

    client (LAN)  -  router (NAT)  -  isp  -  server (frps and its users)

A chain of boxes leads to the isp; the last one is *the line*: it holds the WAN address and is what redials. In each box
`wan` is the device towards the server and `lan` the one towards the client. All but the first do NAT (of IPv4), and
their conntrack adopts no flow it has not seen begin (unless `leaky`). The isp only forwards; whatever is to get lost
gets lost there, without a word: nobody ever says "unreachable".
"""

import re
import time
from collections import Counter

from system import inside, run, write

SERVER, SERVER_2, SERVER_6 = "198.51.100.1", "198.51.100.2", "2001:db8:100::1"
ISP, ISP_6 = "203.0.113.1", "2001:db8:77::1"
LINE_MAC = "02:00:00:00:77:01"
FIRST, LAST = 10, 60  # last octets of the WAN addresses


class Network:
    def __init__(self, chain=("client", "router"), leaky=False, ipv6=False):
        self.chain, self.line, self.ipv6, self.leaky = chain, chain[-1], ipv6, leaky
        self.nodes = [*chain, "isp", "server"]
        self.octet, self.mute = FIRST, set()
        for node in self.nodes:
            run(f"ip netns add {node}")
            inside(node, self._settings)  # before its devices are made, which inherit them
        for lower, upper in zip(self.nodes, self.nodes[1:]):
            mac = f"address {LINE_MAC}" if lower == self.line else ""
            run(f"ip -n {lower} link add wan {mac} type veth peer name lan netns {upper}")
        self._address_lans()
        self._address_isp()
        self._plug_in(self.address)
        self._filters()

    @staticmethod
    def _settings():
        for name, value in [
            ("ipv4/ip_forward", 1),
            ("ipv6/conf/all/forwarding", 1),
            ("ipv6/conf/all/accept_dad", 0),
            ("ipv6/conf/default/accept_dad", 0),
            ("ipv4/conf/all/send_redirects", 0),
        ]:
            write(f"/proc/sys/net/{name}", value)
        for fills_a_buffer in ("cubic", "reno"):  # bbr would not; a kernel may not let a namespace have its cubic
            try:
                write("/proc/sys/net/ipv4/tcp_congestion_control", fills_a_buffer)
                break
            except PermissionError:
                pass
        run("ip link set lo up")

    def _address_lans(self):
        """The boxes below the line: 192.168.77.0/24 and so on, the upper end being .1."""
        for at, (lower, upper) in enumerate(zip(self.chain, self.chain[1:])):
            net = f"192.168.{77 + at}"
            self.ip(upper, f"addr add {net}.1/24 dev lan", "link set lan up")
            self.ip(lower, f"addr add {net}.2/24 dev wan", "link set wan up", f"route add default via {net}.1")

    def _address_isp(self):
        self.ip("isp", f"addr add {ISP}/24 dev lan", "link set lan up", "addr add 198.51.100.254/24 dev wan", "link set wan up")
        self.ip("server", f"addr add {SERVER}/24 dev lan", f"addr add {SERVER_2}/24 dev lan", "link set lan up")
        self.ip("server", "route add default via 198.51.100.254")
        # The carrier delivers to the line whatever address that has: nobody finds out that a host is not there.
        owners = range(FIRST, LAST)
        self.ip("isp", *(f"neigh add 203.0.113.{i} lladdr {LINE_MAC} dev lan nud permanent" for i in owners))
        if self.ipv6:
            self.ip("isp", f"addr add {ISP_6}/64 dev lan nodad", "addr add 2001:db8:100::fe/64 dev wan nodad")
            self.ip("server", f"addr add {SERVER_6}/64 dev lan nodad", "route add default via 2001:db8:100::fe")
            self.ip("isp", *(f"neigh add 2001:db8:77::{i} lladdr {LINE_MAC} dev lan nud permanent" for i in owners))

    def _filters(self):
        isp = """
            set gone { type ipv4_addr; }
            set gone6 { type ipv6_addr; }
            set dead { type inet_service; }
            set deaf { type inet_service; }
            chain weather { }
            chain pass {
                type filter hook forward priority 0;
                ip daddr @gone drop
                ip saddr @gone drop
                ip6 daddr @gone6 drop
                ip6 saddr @gone6 drop
                iifname "lan" tcp sport @dead drop
                iifname "wan" tcp dport @dead drop
                iifname "wan" tcp dport @deaf drop
                jump weather
            }
            chain mute {
                type filter hook output priority 0;
                icmp type destination-unreachable drop
                icmpv6 type destination-unreachable drop
            }"""
        self.nft("isp", f"table inet lab {{{isp}\n}}")
        stale = "" if self.leaky else "ct state invalid drop"
        nat = f"""
            chain stale {{
                type filter hook forward priority 0;
                {stale}
            }}
            chain nat {{
                type nat hook postrouting priority 100;
                meta nfproto ipv4 oifname "wan" masquerade
            }}
            chain mute {{
                type filter hook output priority 0;
                icmp type destination-unreachable drop
                icmpv6 type destination-unreachable drop
            }}"""
        for box in self.chain[1:]:
            self.nft(box, f"table inet lab {{{nat}\n}}")
            loose = int(self.leaky)
            inside(box, lambda: write("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", loose))

    def ip(self, node, *lines):
        """Several commands of ip(8), one right after the other; the addresses decide the family of routes."""
        six = ["-6"] if any(line.startswith("route") and ":" in line for line in lines) else []
        run(["ip", "-n", node, *six, "-batch", "-"], "\n".join(lines) + "\n")

    def nft(self, node, text):
        run(["nsenter", f"--net=/run/netns/{node}", "nft", "-f", "-"], text + "\n")

    @property
    def address(self):
        return self._address(self.octet)

    def _address(self, octet):
        return f"2001:db8:77::{octet}" if self.ipv6 else f"203.0.113.{octet}"

    def _gone(self, verb, address):
        self.nft("isp", f"{verb} element inet lab {'gone6' if ':' in address else 'gone'} {{ {address} }}")

    def _plug_in(self, address):
        size, gateway = (64, ISP_6) if self.ipv6 else (24, ISP)
        # A PPP link has no neighbours that might have the address: nothing is to wait for duplicates (accept_dad is off
        # for what the kernel itself adds).
        nodad = "nodad" if self.ipv6 else ""
        self.ip(
            self.line, "link set wan up", f"addr add {address}/{size} dev wan {nodad}", f"route replace default via {gateway}"
        )

    # What happens to it. Each gives back when the path was whole again, and calls `broken` as soon as it is not.

    def redial(self, broken, down=0.0, same=False, route_stays=False):
        """The line loses its address and every mapping, is down for a while and gets a new one (or the same again).

        It loses its routes as well: for IPv4 the kernel sees to that, and a PPP link of IPv6 is made anew. But IPv6's
        default route may come from an advertisement and stay while the address changes: `route_stays`."""
        old, size = self.address, 64 if self.ipv6 else 24
        self._gone("add", old)
        first = [f"route del default via {ISP_6}"] if self.ipv6 and not route_stays else []
        self.ip(self.line, *first, f"addr del {old}/{size} dev wan", *(["link set wan down"] if down else []))
        run(["nsenter", f"--net=/run/netns/{self.line}", "conntrack", "-F"])
        if down:
            broken()
            time.sleep(down)
        if same:
            self._gone("delete", old)
        else:
            self.octet += 1
        self._plug_in(self.address)
        whole = time.monotonic()
        if not down:
            broken()
        return whole

    def renumber(self, broken, box):
        """A box below the line gets another address from its router: what a host does that its containers do not see."""
        net = re.search(r"inet (192\.168\.\d+)\.", run(f"ip -n {box} -4 addr show dev wan")).group(1)
        self.ip(box, f"addr del {net}.2/24 dev wan", f"addr add {net}.3/24 dev wan", f"route replace default via {net}.1")
        whole = time.monotonic()
        broken()
        return whole

    def forget(self, box="router"):
        """A box loses every mapping, and tells neither end: what belonged to one is dropped, both ways."""
        if box not in self.mute:
            self.nft(box, "add rule inet lab mute tcp flags & rst == rst drop")  # or its own kernel tells the server
            self.mute.add(box)
        run(["nsenter", f"--net=/run/netns/{box}", "conntrack", "-F"])

    def blackhole(self, broken, ports, one_way=False):
        """The flows of today lose their packets, those that begin later do not."""
        flows = self.flows(ports)
        if flows:
            self.nft("isp", f"add element inet lab {'deaf' if one_way else 'dead'} {{ {', '.join(map(str, flows))} }}")
        whole = time.monotonic()
        broken()
        return whole

    def flows(self, ports):
        """Client ports of the connections to the server's `ports`, as the server sees them."""
        found = set()
        for port in ports:
            listed = run(
                ["nsenter", "--net=/run/netns/server", "ss", "-Htn", "state", "established", "sport", "=", f":{port}"]
            )
            found |= {int(line.split()[-1].rpartition(":")[2]) for line in listed.splitlines() if line.strip()}
        return sorted(found)

    def links(self, node, port):
        """How many connections to `port` each process on a box has, by its id."""
        listed = run(["nsenter", f"--net=/run/netns/{node}", "ss", "-Htnp", "dport", "=", f":{port}"])
        return Counter(int(pid) for pid in re.findall(r"pid=(\d+)", listed))

    def flap(self, broken, times=10, period=0.5):
        """The line's carrier comes and goes."""
        for _ in range(times):
            self.ip("isp", "link set lan down")
            broken()
            time.sleep(period / 2)
            self.ip("isp", "link set lan up")
            whole = time.monotonic()
            time.sleep(period / 2)
        return whole

    def weather(self, rule):
        """A rule for everything that passes; none: fine weather."""
        self.nft("isp", "flush chain inet lab weather" + (f"\nadd rule inet lab weather {rule}" if rule else ""))

    def saturate(self, rate="4mbit", latency="2s"):
        """The uplink of the line: so fast, with a buffer of so long."""
        run(f"tc -n {self.line} qdisc add dev wan root tbf rate {rate} burst 16kb latency {latency}")
