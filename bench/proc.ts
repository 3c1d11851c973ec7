/** What Linux tells about a process. */

/** The processor time that the threads of a process have used, in seconds. */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    // `/proc/PID/stat` counts in steps of 10 ms, too coarse for what is measured here.
    const [running] = Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ");
    nanoseconds += Number(running);
  }
  return nanoseconds / 1e9;
}

/** Lets this process, and those that it starts, have so many descriptors; false where it may not. */
export async function allowDescriptors(count: number): Promise<boolean> {
  const args = [`--pid=${Deno.pid}`, `--nofile=${count}:${count}`];
  return (await new Deno.Command("prlimit", { args, stderr: "null" }).output()).success;
}

/** The memory that a process holds (resident set size), in bytes. */
export function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
