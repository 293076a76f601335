/* NVIDIA's library as far as it is asked here, with two GPUs; the second shares the memory of the CPU. */
#include <stdio.h>
#include <string.h>

static int started;

int nvmlInit_v2(void) { started++; return 0; }
int nvmlShutdown(void) { return started-- > 0 ? 0 : 1; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return started ? 0 : 1; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)(0x100000000ul + index); return 0; }

static unsigned index_of(void *device) { return (unsigned)((unsigned long)device - 0x100000000ul); }

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    return snprintf(name, length, index_of(device) ? "NVIDIA GB10" : "NVIDIA H100 80GB HBM3") >= (int)length;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
    return snprintf(uuid, length, "GPU-0000000%u", index_of(device)) >= (int)length;
}

int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *memory) {
    if (index_of(device)) return 3; /* not supported */
    memory[0] = 85520809984ull;
    return 0;
}
