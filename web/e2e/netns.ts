// A network of its own for a story, with nothing in it but this machine, that loses what is sent through one port. The story starts
// itself anew inside it; the network goes when the story does.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const INSIDE = "E2E_NETWORK";
/** What is sent to or from this port meets the loss. */
export const LOSSY_PORT = 45_454;

/** True inside the network. Outside it runs the file there, whose report is that of the story, and gives how it ended. */
export function inLossyNetwork(file: string, percent: number): true | number {
  if (process.env[INSIDE] !== undefined) return true;
  const script = [
    "set -e",
    "PATH=$PATH:/usr/sbin:/sbin",
    "ip link set lo up",
    // A browser looks for its way on a network that is no loopback, be there nobody in it.
    "ip link add conclave0 type dummy 2>/dev/null && ip address add 10.77.0.1/24 dev conclave0 && ip link set conclave0 up || true",
    "nft add table inet conclave",
    "nft add chain inet conclave input '{ type filter hook input priority 0; }'",
    `nft add rule inet conclave input udp dport ${LOSSY_PORT} numgen random mod 100 '<' ${percent} drop`,
    `nft add rule inet conclave input udp sport ${LOSSY_PORT} numgen random mod 100 '<' ${percent} drop`,
    'exec "$@"',
  ].join("\n");
  const own = process.getuid?.() === 0 ? ["-n"] : ["-rn"];
  const ran = spawnSync("unshare", [...own, "bash", "-c", script, "network", process.execPath, "--test-reporter=spec", fileURLToPath(file)], { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, [INSIDE]: "1", NODE_TEST_CONTEXT: "" } });
  return ran.status ?? 1;
}
