// Starts the .NET program beside it on musl: NAME starts NAME.dll. .NET's own start file does the same with the help of
// a C++ library for musl, which Debian has not. Properties are read from NAME.runtimeconfig.json, one a line.
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST 64

static char folder[PATH_MAX], self[PATH_MAX], assemblies[1 << 20];
static char lines[MOST][256];
static const char *keys[MOST], *values[MOST];
static int count;

static void set(const char *key, const char *value)
{
    keys[count] = key;
    values[count++] = value;
}

// A line of configProperties is  "key": value,  where the value may be quoted.
static void read_properties(const char *path)
{
    FILE *file = fopen(path, "r");
    int inside = 0;
    char key[128], value[128];
    while (file && count < MOST && fgets(lines[count], sizeof lines[count], file)) {
        inside |= strstr(lines[count], "configProperties") != NULL;
        if (inside && sscanf(lines[count], " \"%127[^\"]\": %127[^,\n]", key, value) == 2 && value[0] != '{') {
            char *plain = value + (value[0] == '"');
            plain[strcspn(plain, "\"\r")] = 0;
            int length = sprintf(lines[count], "%s", key);
            strcpy(lines[count] + length + 1, plain);
            set(lines[count], lines[count] + length + 1);
        }
    }

    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    char path[PATH_MAX + 32];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 200;

    strcpy(folder, self);
    strrchr(folder, '/')[1] = 0;
    DIR *all = opendir(folder);
    for (struct dirent *entry; all && (entry = readdir(all));) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".dll") == 0)
            strcat(strcat(strcat(assemblies, folder), entry->d_name), ":");
    }

    snprintf(path, sizeof path, "%s.runtimeconfig.json", self);
    read_properties(path);
    set("TRUSTED_PLATFORM_ASSEMBLIES", assemblies);
    set("NATIVE_DLL_SEARCH_DIRECTORIES", folder);
    set("APP_CONTEXT_BASE_DIRECTORY", folder);
    set("RUNTIME_IDENTIFIER", "linux-musl-x64");

    snprintf(path, sizeof path, "%slibcoreclr.so", folder);
    void *runtime = dlopen(path, RTLD_NOW);
    if (!runtime)
        return fprintf(stderr, "%s\n", dlerror()), 201;

    int (*initialize)(const char *, const char *, int, const char **, const char **, void **, unsigned *) =
        dlsym(runtime, "coreclr_initialize");
    int (*execute)(void *, unsigned, int, const char **, const char *, unsigned *) =
        dlsym(runtime, "coreclr_execute_assembly");
    void *host;
    unsigned domain, code;
    snprintf(path, sizeof path, "%s.dll", self);
    int result = initialize(self, "musl", count, keys, values, &host, &domain);
    if (result >= 0)
        result = execute(host, domain, argc - 1, (const char **)argv + 1, path, &code);

    return result < 0 ? fprintf(stderr, "the runtime did not start: %x\n", result), 202 : (int)code;
}
