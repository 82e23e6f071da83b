/* Take serialized messages from a subscription, many at once.
 *
 * rclpy takes one message per call, with the interpreter's lock held, and keeps the publisher's
 * GID to itself. This library takes all that have arrived, one behind the other into memory of the
 * caller, so that a recorder spends its time on batches.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rcl/error_handling.h>
#include <rcl/subscription.h>
#include <rmw/types.h>

#define GID_SIZE 16

/* One message taken. */
typedef struct
{
  int64_t received_ns;
  int64_t sent_ns;
  uint64_t sequence;
  uint64_t start;
  uint64_t length;
  uint8_t publisher[GID_SIZE];
} lk_head;

/* The message that did not fit into the caller's memory: it is the first of the next call. */
typedef struct
{
  rcl_serialized_message_t message;
  rmw_message_info_t info;
} lk_left;

static void keep(void * pointer, void * state)
{
  (void)pointer;
  (void)state;
}

static void * allocate(size_t size, void * state)
{
  (void)state;
  return malloc(size);
}

/* The memory of the caller is never given back: where it is too small, new memory is used. */
static void * reallocate(void * pointer, size_t size, void * state)
{
  (void)pointer;
  (void)state;
  return malloc(size);
}

static void * zero_allocate(size_t count, size_t size, void * state)
{
  (void)state;
  return calloc(count, size);
}

static void note(lk_head * head, const rmw_message_info_t * info, uint64_t start, uint64_t length)
{
  const size_t size = sizeof(info->publisher_gid.data);
  head->received_ns = info->received_timestamp;
  head->sent_ns = info->source_timestamp;
  head->sequence = info->publication_sequence_number;
  head->start = start;
  head->length = length;
  memset(head->publisher, 0, GID_SIZE);
  memcpy(head->publisher, info->publisher_gid.data, size < GID_SIZE ? size : GID_SIZE);
}

lk_left * lk_left_new(void)
{
  return calloc(1, sizeof(lk_left));
}

void lk_left_free(lk_left * left)
{
  if (left != NULL) {
    free(left->message.buffer);
    free(left);
  }
}

/* Bytes that the message left over needs, 0 if there is none. */
uint64_t lk_left_size(const lk_left * left)
{
  return left->message.buffer == NULL ? 0 : left->message.buffer_length;
}

/* Take messages until there is none, `max` are taken, or one does not fit.
 *
 * It also ends where one as large as those before would not fit: taking it costs another copy.
 *
 * Each gets `prefix` bytes before it. Returns the number of messages, or -1 - code of rcl's error
 * if there was none; `*used` is where the memory that is used ends.
 */
int64_t lk_take(
  const rcl_subscription_t * subscription, lk_left * left, uint8_t * memory, uint64_t capacity,
  uint64_t prefix, lk_head * heads, uint64_t max, uint64_t * used)
{
  const rcutils_allocator_t allocator = {allocate, keep, reallocate, zero_allocate, NULL};
  uint64_t position = *used;
  uint64_t count = 0;
  uint64_t largest = 0;

  if (left->message.buffer != NULL && max > 0) {
    const uint64_t length = left->message.buffer_length;
    if (position > capacity || capacity - position < prefix + length) {
      return 0;
    }
    memcpy(memory + position + prefix, left->message.buffer, length);
    note(&heads[count++], &left->info, position + prefix, length);
    position += prefix + length;
    free(left->message.buffer);
    memset(&left->message, 0, sizeof(left->message));
  }
  while (count < max && position <= capacity && capacity - position >= prefix + largest) {
    uint8_t * const place = memory + position + prefix;
    rcl_serialized_message_t message = {place, 0, capacity - position - prefix, allocator};
    rmw_message_info_t info;
    memset(&info, 0, sizeof(info));
    const rcl_ret_t code = rcl_take_serialized_message(subscription, &message, &info, NULL);
    if (code != RCL_RET_OK) {
      if (message.buffer != place) {
        free(message.buffer);
      }
      rcl_reset_error();
      if (code != RCL_RET_SUBSCRIPTION_TAKE_FAILED && count == 0) {
        *used = position;
        return -1 - (int64_t)code;
      }
      break;
    }
    if (message.buffer != place) {
      left->message = message;
      left->info = info;
      break;
    }
    note(&heads[count++], &info, position + prefix, message.buffer_length);
    position += prefix + message.buffer_length;
    if (message.buffer_length > largest) {
      largest = message.buffer_length;
    }
  }
  *used = position;
  return (int64_t)count;
}
