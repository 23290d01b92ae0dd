// The benchmarks' workloads in C, for the native allocators without any interop: the same random numbers, the same operations and the
// same writes as the C# loops of the same names, so that the checksums are equal.
//   driver WORKLOAD NUMBER...     prints "nanoseconds A B C ..." (the whole of each repetition after the warm-up) and "checksum N"
//   driver replay SCRIPT          prints "p50 N", "p99 N", "max N" of the frames' times, and "peak N" and "checksum N"
//   driver scaling NAME THREADS STEPS REPETITIONS     see scaling.c
//   driver who                    prints the file that malloc comes from
#include "driver.h"
#include <dlfcn.h>
#include <signal.h>
#include <sys/prctl.h>

char *null_buffer;
size_t null_place_bytes;
uint64_t times[MOST_REPETITIONS + 1];

void make_places(size_t places, size_t largest_bytes) {
#ifdef ALLOCATE_NULL
  null_place_bytes = largest_bytes + 64;
  null_buffer = calloc(places, null_place_bytes);
#else
  (void)places, (void)largest_bytes;
#endif
}

void report(int repetitions, uint64_t checksum) {
  printf("nanoseconds");
  for (int repetition = 1; repetition <= repetitions; repetition++) printf(" %llu", (unsigned long long)times[repetition]);
  printf("\nchecksum %llu\n", (unsigned long long)checksum);
}

static uint64_t status_bytes(const char *key) {
  char line[256];
  uint64_t kibibytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, key, strlen(key))) kibibytes = strtoull(line + strlen(key), NULL, 10);
  if (file) fclose(file);
  return kibibytes * 1024;
}

uint64_t begin_peak(void) {
  // "5" resets the peak and touches no page's state (proc(5), clear_refs).
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (file) {
    fputs("5", file);
    fclose(file);
  }
  return status_bytes("VmRSS:");
}

uint64_t peak_bytes(void) { return status_bytes("VmHWM:"); }

void report_peak(uint64_t base) {
  uint64_t peak = peak_bytes();
  printf("peak %llu\n", (unsigned long long)(peak > base ? peak - base : 0));
}

static void who(void) {
  Dl_info found;
  printf("%s\n", dladdr(dlsym(RTLD_DEFAULT, "malloc"), &found) ? found.dli_fname : "unknown");
}

int main(int count, char **arguments) {
  // Whoever measures may be killed; the driver does not go on without it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  uint64_t numbers[8] = {0};
  for (int index = 2; index < count && index < 10; index++) numbers[index - 2] = strtoull(arguments[index], NULL, 10);
  const char *work = count > 1 ? arguments[1] : "";
  if (!strcmp(work, "who")) who();
  else if (!strcmp(work, "pair")) pair(numbers);
  else if (!strcmp(work, "batch-fifo")) batch(0, numbers);
  else if (!strcmp(work, "batch-random")) batch(1, numbers);
  else if (!strcmp(work, "random-mixed")) mixed(numbers);
  else if (!strcmp(work, "producer-consumer")) producer_consumer(numbers);
  else if (!strcmp(work, "server")) server(numbers);
  else if (!strcmp(work, "threads")) threads(numbers);
  else if (!strcmp(work, "realloc")) grow(numbers);
  else if (!strcmp(work, "frame-arena")) frame(numbers);
  else if (!strcmp(work, "dispose")) dispose(numbers);
  else if (!strcmp(work, "prewarm")) prewarm(numbers);
  else if (!strcmp(work, "random-mixed-cold")) mixed_cold(numbers);
  else if (!strcmp(work, "drift")) drift(numbers);
  else if (!strcmp(work, "replay") && count > 2) replay(arguments[2]);
  else if (!strcmp(work, "longest-call")) longest_call(numbers);
  else if (!strcmp(work, "scaling") && count > 5) scaling(arguments[2], numbers + 1);
  else {
    fprintf(stderr, "unknown workload '%s'\n", work);
    return 2;
  }
  return 0;
}
