/* Wait, take and publish serialized messages without coming back to Python in between.
 *
 * rclpy makes a wait set and walks through a node for every message, with the interpreter's lock
 * held. `lk_serve` waits for what a node waits for and takes the messages that came; `lk_exchange`
 * publishes inputs to several arms, one after the other, each when all have answered the last.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rcl/error_handling.h>
#include <rcl/publisher.h>
#include <rcl/subscription.h>
#include <rcl/wait.h>
#include <rcutils/allocator.h>
#include <rmw/types.h>

/* Messages are taken until so many bytes or messages are kept: the caller has his turn then. */
#define MOST_BYTES (4u * 1024u * 1024u)
#define MOST_MESSAGES 4096u

/* One message taken. */
typedef struct
{
  int64_t received_ns;
  uint64_t start;
  uint64_t length;
  uint32_t subscription; /* its number among those of the caller */
  uint32_t input;        /* the input that was sent last before it was taken */
} lk_taken;

/* Messages, one behind the other. */
typedef struct
{
  uint8_t * bytes;
  uint64_t used;
  uint64_t capacity;
  lk_taken * heads;
  uint64_t count;
  uint64_t room;
  rcl_serialized_message_t message;
} lk_kept;

/* One message to send. */
typedef struct
{
  const uint8_t * bytes;
  uint64_t length;
  uint64_t topic;
} lk_input;

lk_kept * lk_kept_new(void)
{
  lk_kept * kept = calloc(1, sizeof(lk_kept));
  if (kept != NULL) {
    kept->message.allocator = rcutils_get_default_allocator();
  }
  return kept;
}

void lk_kept_free(lk_kept * kept)
{
  if (kept != NULL) {
    free(kept->message.buffer);
    free(kept->bytes);
    free(kept->heads);
    free(kept);
  }
}

uint64_t lk_kept_count(const lk_kept * kept)
{
  return kept->count;
}

const lk_taken * lk_kept_heads(const lk_kept * kept)
{
  return kept->heads;
}

const uint8_t * lk_kept_bytes(const lk_kept * kept)
{
  return kept->bytes;
}

static bool is_full(const lk_kept * kept)
{
  return kept->used >= MOST_BYTES || kept->count >= MOST_MESSAGES;
}

/* Forget what is kept; give back what an unusually large message took. */
static void clear(lk_kept * kept)
{
  kept->used = kept->count = 0;
  if (kept->capacity > 4 * (uint64_t)MOST_BYTES) {
    free(kept->bytes);
    kept->bytes = NULL;
    kept->capacity = 0;
  }
}

static bool grow(void ** memory, uint64_t * capacity, uint64_t wanted, uint64_t size)
{
  if (wanted <= *capacity) {
    return true;
  }
  uint64_t larger = *capacity ? *capacity : 256;
  while (larger < wanted) {
    larger *= 2;
  }
  void * const grown = realloc(*memory, larger * size);
  if (grown == NULL) {
    return false;
  }
  *memory = grown;
  *capacity = larger;
  return true;
}

/* Take all that a subscription has; return how many, or -1 - code of rcl's error. */
static int64_t take_all(
  lk_kept * kept, const rcl_subscription_t * subscription, uint32_t number, uint32_t input)
{
  int64_t count = 0;
  while (!is_full(kept)) {
    rmw_message_info_t info;
    memset(&info, 0, sizeof(info));
    const rcl_ret_t code =
      rcl_take_serialized_message(subscription, &kept->message, &info, NULL);
    if (code != RCL_RET_OK) {
      rcl_reset_error();
      return code == RCL_RET_SUBSCRIPTION_TAKE_FAILED || count > 0 ? count : -1 - (int64_t)code;
    }
    const uint64_t length = kept->message.buffer_length;
    if (
      !grow((void **)&kept->bytes, &kept->capacity, kept->used + length, 1) ||
      !grow((void **)&kept->heads, &kept->room, kept->count + 1, sizeof(lk_taken))) {
      return -1 - (int64_t)RCL_RET_BAD_ALLOC;
    }
    if (length > 0) {
      memcpy(kept->bytes + kept->used, kept->message.buffer, length);
    }
    kept->heads[kept->count++] =
      (lk_taken){info.received_timestamp, kept->used, length, number, input};
    kept->used += length;
    ++count;
  }
  return count;
}

/* Wait until something of a node is ready, or the limit has passed; take from the first `own`
 * subscriptions what has come.
 *
 * `entities` are subscriptions, guard conditions, timers, clients and services, `counts` of each,
 * in this order. Returns how many others are ready, 0 also after the limit, or -1 - code of rcl's
 * error; what is ready stands in the wait set. The messages taken are those of `kept`.
 */
int64_t lk_serve(
  rcl_wait_set_t * set, const void * const * entities, const uint64_t * counts, uint64_t own,
  int64_t limit_ns, lk_kept * kept)
{
  uint64_t next = 0;
  clear(kept);
  rcl_ret_t code = rcl_wait_set_clear(set);
  for (uint64_t i = 0; code == RCL_RET_OK && i < counts[0]; ++i) {
    code = rcl_wait_set_add_subscription(set, entities[next++], NULL);
  }
  for (uint64_t i = 0; code == RCL_RET_OK && i < counts[1]; ++i) {
    code = rcl_wait_set_add_guard_condition(set, entities[next++], NULL);
  }
  for (uint64_t i = 0; code == RCL_RET_OK && i < counts[2]; ++i) {
    code = rcl_wait_set_add_timer(set, entities[next++], NULL);
  }
  for (uint64_t i = 0; code == RCL_RET_OK && i < counts[3]; ++i) {
    code = rcl_wait_set_add_client(set, entities[next++], NULL);
  }
  for (uint64_t i = 0; code == RCL_RET_OK && i < counts[4]; ++i) {
    code = rcl_wait_set_add_service(set, entities[next++], NULL);
  }
  if (code == RCL_RET_OK) {
    code = rcl_wait(set, limit_ns);
  }
  if (code != RCL_RET_OK) {
    rcl_reset_error();
    return code == RCL_RET_TIMEOUT ? 0 : -1 - (int64_t)code;
  }
  int64_t others = 0;
  for (uint64_t i = own; i < counts[0]; ++i) {
    others += set->subscriptions[i] != NULL;
  }
  for (uint64_t i = 0; i < counts[1]; ++i) {
    others += set->guard_conditions[i] != NULL;
  }
  for (uint64_t i = 0; i < counts[2]; ++i) {
    others += set->timers[i] != NULL;
  }
  for (uint64_t i = 0; i < counts[3]; ++i) {
    others += set->clients[i] != NULL;
  }
  for (uint64_t i = 0; i < counts[4]; ++i) {
    others += set->services[i] != NULL;
  }
  for (uint64_t i = 0; i < own; ++i) {
    if (set->subscriptions[i] != NULL) {
      const int64_t count = take_all(kept, set->subscriptions[i], (uint32_t)i, 0);
      if (count < 0) {
        return count;
      }
    }
  }
  return others;
}

static int64_t now_ns(clockid_t clock)
{
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Send inputs to all arms, each when every arm has answered the one before.
 *
 * `publishers` are one per arm and topic, `subscriptions` one per arm and output (topics and
 * outputs run fastest), `owed` how many messages of each output answer an input of each topic
 * (outputs run fastest); `is_reversed` tells whether the last arm is the first to get the first
 * input. It ends when all are answered, when an answer takes longer than `piece_ns`, when all
 * together have taken longer than `limit_ns`, or when much is kept.
 *
 * Returns how many inputs were sent, of which only the last may lack answers, or -1 - code of
 * rcl's error. `sent_ns` takes when, one per input and arm (arms run fastest).
 */
int64_t lk_exchange(
  rcl_wait_set_t * set, uint64_t arms, uint64_t topics, uint64_t outputs,
  const rcl_publisher_t * const * publishers, const rcl_subscription_t * const * subscriptions,
  const uint64_t * owed, const lk_input * inputs, uint64_t count, bool is_reversed,
  int64_t piece_ns, int64_t limit_ns, int64_t * sent_ns, lk_kept * kept)
{
  const int64_t begun_ns = now_ns(CLOCK_MONOTONIC);
  int64_t * const left = malloc(arms * outputs * sizeof(int64_t));
  uint32_t * const numbers = malloc(arms * outputs * sizeof(uint32_t));
  rcl_ret_t code = left == NULL || numbers == NULL ? RCL_RET_BAD_ALLOC : RCL_RET_OK;
  uint64_t sent = 0;
  clear(kept);
  while (code == RCL_RET_OK && sent < count) {
    const lk_input * const input = &inputs[sent];
    rcl_serialized_message_t message = rmw_get_zero_initialized_serialized_message();
    message.buffer = (uint8_t *)input->bytes;
    message.buffer_length = message.buffer_capacity = input->length;
    for (uint64_t i = 0; i < arms && code == RCL_RET_OK; ++i) {
      const uint64_t arm = is_reversed ? arms - 1 - i : i;
      sent_ns[sent * arms + arm] = now_ns(CLOCK_REALTIME);
      code = rcl_publish_serialized_message(
        publishers[arm * topics + input->topic], &message, NULL);
    }
    is_reversed = !is_reversed;
    for (uint64_t i = 0; i < arms * outputs; ++i) {
      left[i] = (int64_t)owed[input->topic * outputs + i % outputs];
    }
    const int64_t since_ns = now_ns(CLOCK_MONOTONIC);
    int64_t waited_ns = 0;
    bool is_waiting = true;
    while (code == RCL_RET_OK && !is_full(kept) && waited_ns < piece_ns) {
      /* An arm that has answered is not listened to until the next input. */
      uint64_t listened = 0;
      code = rcl_wait_set_clear(set);
      for (uint64_t arm = 0; arm < arms && code == RCL_RET_OK; ++arm) {
        bool is_owing = false;
        for (uint64_t i = arm * outputs; i < (arm + 1) * outputs; ++i) {
          is_owing |= left[i] > 0;
        }
        for (uint64_t i = arm * outputs; is_owing && i < (arm + 1) * outputs; ++i) {
          numbers[listened++] = (uint32_t)i;
          code = rcl_wait_set_add_subscription(set, subscriptions[i], NULL);
          if (code != RCL_RET_OK) {
            break;
          }
        }
      }
      is_waiting = listened > 0;
      if (code != RCL_RET_OK || !is_waiting) {
        break;
      }
      code = rcl_wait(set, piece_ns - waited_ns);
      if (code == RCL_RET_TIMEOUT) {
        rcl_reset_error();
        code = RCL_RET_OK;
      } else {
        for (uint64_t i = 0; i < listened && code == RCL_RET_OK; ++i) {
          if (set->subscriptions[i] != NULL) {
            const int64_t found =
              take_all(kept, set->subscriptions[i], numbers[i], (uint32_t)sent);
            code = found < 0 ? (rcl_ret_t)(-1 - found) : RCL_RET_OK;
            left[numbers[i]] -= found < 0 ? 0 : found;
          }
        }
      }
      waited_ns = now_ns(CLOCK_MONOTONIC) - since_ns;
    }
    ++sent;
    if (is_waiting || is_full(kept) || now_ns(CLOCK_MONOTONIC) - begun_ns > limit_ns) {
      break;
    }
  }
  free(left);
  free(numbers);
  if (code != RCL_RET_OK) {
    rcl_reset_error();
    return -1 - (int64_t)code;
  }
  return (int64_t)sent;
}
