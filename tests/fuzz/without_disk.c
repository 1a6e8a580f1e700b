/* without_disk: see its header. */
#include <sodium.h>

#include <sys/types.h>

#include "base/fs.h"
#include "without_disk.h"

struct span disk_holds;
struct buf disk_written = BUF_INIT(1u << 20);

enum kw_err __wrap_fs_read_private(struct buf *out, const char *path, struct kw_why *why);
enum kw_err __wrap_fs_write_new(const char *path, struct span bytes, mode_t mode, struct kw_why *why);
int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *passphrase, unsigned long long passphrase_len,
                                  const unsigned char *salt, unsigned long long passes, size_t bytes, int algorithm);

enum kw_err
__wrap_fs_read_private(struct buf *out, const char *path, struct kw_why *why)
{
	out->secret = true;
	buf_reset(out);
	buf_put_span(out, disk_holds);
	return buf_ok(out) ? KW_OK : kw_refuse(why, KW_ELIMIT, "%s is too large", path);
}

enum kw_err
__wrap_fs_write_new(const char *path, struct span bytes, mode_t mode, struct kw_why *why)
{
	(void)path;
	(void)mode;
	(void)why;
	buf_reset(&disk_written);
	buf_put_span(&disk_written, bytes);
	return KW_OK;
}

int
__wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *passphrase, unsigned long long passphrase_len,
                              const unsigned char *salt, unsigned long long passes, size_t bytes, int algorithm)
{
	crypto_generichash_state st;

	(void)algorithm;
	(void)crypto_generichash_init(&st, salt, crypto_pwhash_argon2id_SALTBYTES, (size_t)out_len);
	(void)crypto_generichash_update(&st, (const uint8_t *)passphrase, passphrase_len);
	(void)crypto_generichash_update(&st, (const uint8_t *)&passes, sizeof passes);
	(void)crypto_generichash_update(&st, (const uint8_t *)&bytes, sizeof bytes);
	(void)crypto_generichash_final(&st, out, (size_t)out_len);
	return 0;
}
