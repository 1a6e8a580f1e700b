/* race: two threads write one number without a lock. Where nothing says so, nothing watches. */
#include <pthread.h>
#include <stddef.h>

static void *
count(void *number)
{
	for (int i = 0; i < 1000; i++)
		++*(volatile int *)number;
	return NULL;
}

int
main(void)
{
	pthread_t other;
	int number = 0;

	if (pthread_create(&other, NULL, count, &number) != 0)
		return 1;
	(void)count(&number);
	return pthread_join(other, NULL) != 0;
}
