// The benchmarks' workloads in C, for the native allocators without any interop: the same random numbers, the same operations and the
// same writes as the C# loops of the same names, so that the checksums are equal.
//   driver WORKLOAD NUMBER...     prints "nanoseconds A B C ..." (the whole of each repetition after the warm-up) and "checksum N"
//   driver who                    prints the file that malloc comes from
#include "driver.h"
#include <dlfcn.h>

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

static void who(void) {
  Dl_info found;
  printf("%s\n", dladdr(dlsym(RTLD_DEFAULT, "malloc"), &found) ? found.dli_fname : "unknown");
}

int main(int count, char **arguments) {
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
  else if (!strcmp(work, "longest-call")) longest_call(numbers);
  else {
    fprintf(stderr, "unknown workload '%s'\n", work);
    return 2;
  }
  return 0;
}
