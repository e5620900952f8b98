/* A sound card that misbehaves: preloaded into a program, it stands between PortAudio and ALSA's library.
 *
 * Takes: the first line of the file that FAULTY_ALSA names, read anew at every call. Gives: ALSA's own answers, or
 *   busy       opening a recording fails as it does while another program holds the device
 *   hang       opening a recording does not return while the line says so
 *   only RATE  the device has no other rate
 *   runs RATE  the device claims every rate, and keeps this one
 *   xrun MS    for so many milliseconds nobody fetched the samples, and they are lost; once, then the line is emptied
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned int claimed;
static int lost;

static const char *path(void) {
    const char *found = getenv("FAULTY_ALSA");
    return found ? found : "/dev/null";
}

static void fault(char line[32]) {
    FILE *file = fopen(path(), "re");
    line[0] = 0;
    if (file) {
        if (!fgets(line, 32, file))
            line[0] = 0;
        fclose(file);
    }
    line[strcspn(line, "\n")] = 0;
}

int snd_pcm_open(snd_pcm_t **pcm, const char *name, snd_pcm_stream_t stream, int mode) {
    int (*real)(snd_pcm_t **, const char *, snd_pcm_stream_t, int) = dlsym(RTLD_NEXT, "snd_pcm_open");
    char line[32];
    fault(line);
    if (stream == SND_PCM_STREAM_CAPTURE) {
        if (!strcmp(line, "busy"))
            return -EBUSY;
        for (; !strcmp(line, "hang"); fault(line))
            usleep(20000);
    }
    return real(pcm, name, stream, mode);
}

int snd_pcm_hw_params_set_rate_near(snd_pcm_t *pcm, snd_pcm_hw_params_t *params, unsigned int *rate, int *direction) {
    int (*real)(snd_pcm_t *, snd_pcm_hw_params_t *, unsigned int *, int *) =
        dlvsym(RTLD_NEXT, "snd_pcm_hw_params_set_rate_near", "ALSA_0.9.0rc4");
    unsigned int other, wanted = *rate;
    int answer;
    char line[32];
    fault(line);
    claimed = 0;
    if (sscanf(line, "only %u", &other) == 1 || sscanf(line, "runs %u", &other) == 1)
        *rate = other;
    answer = real(pcm, params, rate, direction);
    if (!strncmp(line, "runs", 4))
        *rate = claimed = wanted;
    return answer;
}

int snd_pcm_hw_params_get_rate_numden(const snd_pcm_hw_params_t *params, unsigned int *number, unsigned int *denominator) {
    int (*real)(const snd_pcm_hw_params_t *, unsigned int *, unsigned int *) =
        dlsym(RTLD_NEXT, "snd_pcm_hw_params_get_rate_numden");
    int answer = real(params, number, denominator);
    if (claimed) {
        *number = claimed;
        *denominator = 1;
    }
    return answer;
}

snd_pcm_sframes_t snd_pcm_avail_update(snd_pcm_t *pcm) {
    snd_pcm_sframes_t (*real)(snd_pcm_t *) = dlsym(RTLD_NEXT, "snd_pcm_avail_update");
    unsigned int milliseconds;
    char line[32];
    fault(line);
    if (sscanf(line, "xrun %u", &milliseconds) == 1 && !truncate(path(), 0)) {
        usleep(1000 * milliseconds);
        lost = 1;
        return -EPIPE;
    }
    return real(pcm);
}

snd_pcm_state_t snd_pcm_status_get_state(const snd_pcm_status_t *status) {
    snd_pcm_state_t (*real)(const snd_pcm_status_t *) = dlsym(RTLD_NEXT, "snd_pcm_status_get_state");
    if (lost) {
        lost = 0;
        return SND_PCM_STATE_XRUN;
    }
    return real(status);
}

/* PulseAudio's plug-in does not begin again by itself when it is read, as a card does. */
int snd_pcm_recover(snd_pcm_t *pcm, int error, int silent) {
    int (*real)(snd_pcm_t *, int, int) = dlsym(RTLD_NEXT, "snd_pcm_recover");
    int answer = real(pcm, error, silent);
    return answer ? answer : snd_pcm_start(pcm);
}
